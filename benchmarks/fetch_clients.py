"""One client fetching the same page again and again, measured in a process of its own.

`python -m benchmarks.fetch_clients <client> <requests> <url>` prints the requests per second, the CPU per request in
microseconds, and the memory after a tenth of the requests and at the end, as one line of JSON. Scrapy runs in the
environment of the peers.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONCURRENCY, THREADS, WARM = 50, 4, 200


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


class Meter:
    """Between the end of the warm-up and the end."""

    def __init__(self, count: int) -> None:
        self.count, self.early_mb = count, 0.0
        self.began, self.cpu = time.perf_counter(), cpu_s()

    def numbers(self) -> Iterator[int]:
        """One for each request."""
        for number in range(self.count):
            if number == self.count // 10:
                self.early_mb = memory_mb()
            yield number

    def result(self) -> dict[str, float]:
        seconds, cpu = time.perf_counter() - self.began, cpu_s() - self.cpu
        return {
            "per_s": self.count / seconds,
            "cpu_us": 1e6 * cpu / self.count,
            "early_mb": self.early_mb,
            "end_mb": memory_mb(),
        }


def one_after_another(get: Callable[[], Any], count: int) -> dict[str, float]:
    for _ in range(WARM):
        get()
    meter = Meter(count)
    for _ in meter.numbers():
        get()
    return meter.result()


async def many_at_once(get: Callable[[], Awaitable[Any]], count: int) -> dict[str, float]:
    async def work(numbers: Iterator[int]) -> None:
        for _ in numbers:
            await get()

    async def all_of(numbers: Iterator[int]) -> None:
        await asyncio.gather(*(work(numbers) for _ in range(CONCURRENCY)))

    await all_of(iter(range(WARM)))
    meter = Meter(count)
    await all_of(meter.numbers())
    return meter.result()


def raw_socket(url: str, count: int) -> dict[str, float]:
    """The limit: one request after the other over one connection, and nothing read but the length that is known."""
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    asked = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def get() -> None:
            line.sendall(asked)
            answer = line.recv(65536)
            length = answer.index(b"\r\n\r\n") + 4 + 2048
            while len(answer) < length:
                answer += line.recv(65536)

        return one_after_another(get, count)


def httpx_sync(url: str, count: int) -> dict[str, float]:
    import httpx

    with httpx.Client() as client:
        return one_after_another(lambda: client.get(url).raise_for_status().content, count)


def httpx_async(url: str, count: int) -> dict[str, float]:
    import httpx

    async def main() -> dict[str, float]:
        async with httpx.AsyncClient() as client:
            return await many_at_once(lambda: client.get(url), count)

    return asyncio.run(main())


def aiohttp_async(url: str, count: int) -> dict[str, float]:
    import aiohttp

    async def main() -> dict[str, float]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def get() -> bytes:
                async with session.get(url) as response:
                    return await response.read()

            return await many_at_once(get, count)

    return asyncio.run(main())


def _request() -> Any:
    from collectors.toolkit.http import Profile, Request, networks

    return Request(Profile(allowed=networks("127.0.0.1")))


def ours_sync(url: str, count: int) -> dict[str, float]:
    request = _request()
    return one_after_another(lambda: request.get(url).content, count)


def ours_threaded(url: str, count: int) -> dict[str, float]:
    from collectors.toolkit.http import ClientPool, Profile, Request, Session, networks

    session = Session(Profile(allowed=networks("127.0.0.1")))
    pool = ClientPool(lambda: Request(session=session))

    def work(requests: int) -> None:
        for _ in range(requests):
            pool.current().get(url)

    with ThreadPoolExecutor(THREADS) as executor:
        list(executor.map(work, [WARM // THREADS] * THREADS))
        meter = Meter(count // THREADS * THREADS)
        list(executor.map(work, [count // THREADS] * THREADS))
        return meter.result()


def ours_async(url: str, count: int) -> dict[str, float]:
    async def main() -> dict[str, float]:
        request = _request()
        try:
            return await many_at_once(lambda: request.aget(url), count)
        finally:
            await request.aclose()

    return asyncio.run(main())


def ours_scraper(url: str, count: int) -> dict[str, float]:
    """Items through a whole `ThreadedScraper`, whose rows are stored in batches."""
    from collectors.toolkit.http import ClientPool, Profile, Request, Session, networks
    from collectors.toolkit.scraping import ThreadedScraper
    from collectors.toolkit.testing import make_context

    session = Session(Profile(allowed=networks("127.0.0.1")))
    pool = ClientPool(lambda: Request(session=session))
    meter = Meter(count)

    class Pages(ThreadedScraper):
        workers = THREADS
        store_every = 500
        stored = 0

        def prepare_list(self) -> Iterator[int]:
            return meter.numbers()

        def collect(self, item: int) -> list[dict[str, Any]]:
            return [{"number": item, "length": len(self.request.get(url).content)}]

        def store(self, rows: list[Any]) -> None:
            self.stored += len(rows)

    context = make_context(clients=pool)
    context.progress.reports = Forgetful()  # the double would remember each of them
    source = Pages(context)
    source.run()
    result = meter.result()
    if source.stored != count:
        raise RuntimeError(f"{source.stored} of {count} items were stored.")
    return result


class Forgetful(list[Any]):
    """A list that stays empty."""

    def append(self, value: Any) -> None:
        """Drop it."""


def scrapy(url: str, count: int) -> dict[str, float]:
    """Tuned: no retries, no robots, no cookies, no delay, fifty at once."""
    from scrapy import Request, Spider
    from scrapy.crawler import CrawlerProcess

    meters: list[Meter] = []

    class Pages(Spider):  # type: ignore[misc] # an environment of its own has its types
        name = "pages"

        async def start(self) -> Any:
            meters.append(Meter(count))
            for number in range(count):
                yield Request(f"{url}?{number}", dont_filter=True)

        def parse(self, response: Any) -> None:
            pass

    settings = {
        "LOG_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
        "CONCURRENT_REQUESTS": CONCURRENCY,
        "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
    }
    process = CrawlerProcess(settings)
    process.crawl(Pages)
    process.start()
    return meters[0].result()


CLIENTS: dict[str, Callable[[str, int], dict[str, float]]] = {
    "socket": raw_socket,
    "httpx": httpx_sync,
    "httpx async": httpx_async,
    "aiohttp": aiohttp_async,
    "ours": ours_sync,
    "ours threaded": ours_threaded,
    "ours async": ours_async,
    "ours scraper": ours_scraper,
    "Scrapy": scrapy,
}

if __name__ == "__main__":
    print(json.dumps(CLIENTS[sys.argv[1]](sys.argv[3], int(sys.argv[2]))))
