"""Whether processes that fetch as runs do keep their distance: a server that notes when they come, and they."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.db import connections

from apps.politeness.models import Site
from apps.registry.models import App
from apps.runtime.models import Runtime
from apps.runtime.wiring import wire
from collectors.contract import Outcome
from collectors.identity import app_info
from collectors.loader import Source
from collectors.toolkit.politeness.pauses import Pause

#: The whole of it may take so long.
LIMIT_S = 600.0


@dataclass(slots=True)
class Seen:
    """What the server saw, by its own clock."""

    url: str = ""
    arrivals: list[float] = field(default_factory=list)
    refused_at: float = 0.0
    """When it answered 429."""

    @property
    def smallest_gap_s(self) -> float:
        """Between two requests, whoever sent them."""
        return min((after - before for before, after in itertools.pairwise(sorted(self.arrivals))), default=0.0)

    def closer_than(self, seconds: float) -> int:
        """How many requests came sooner than that after the one before."""
        return sum(after - before < seconds for before, after in itertools.pairwise(sorted(self.arrivals)))

    @property
    def silence_s(self) -> float:
        """From the 429 to the next request; 0 if none came."""
        return min((at for at in self.arrivals if at > self.refused_at), default=self.refused_at) - self.refused_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many processes, each with so many requests."""

    workers: int
    requests: int
    delay_s: float
    retry_after_s: int

    @property
    def refused(self) -> int:
        """Which request is answered 429."""
        return max(1, self.workers * self.requests * 3 // 4)


def check(plan: Plan) -> Seen:
    """Let them fetch. Raises `RuntimeError` when one of them fails, or when it takes too long."""
    # Before there is a thread: a process that is forked has one alone.
    seen = Seen()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(seen, plan))
    server.daemon_threads = True
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=_fetch, args=(seen.url, plan, number), daemon=True) for number in range(plan.workers)
    ]
    for worker in workers:
        worker.start()
    try:
        with _serving(server):
            end = time.monotonic() + LIMIT_S
            for worker in workers:
                worker.join(max(0.0, end - time.monotonic()))
    finally:
        for worker in workers:
            worker.kill()
        server.server_close()
        Site.objects.filter(name=seen.url.removeprefix("http://")).delete()
    failed = [worker for worker in workers if worker.exitcode != 0]
    if failed:
        raise RuntimeError(f"{len(failed)} of {plan.workers} processes did not come to their end.")
    return seen


def _fetch(url: str, plan: Plan, number: int) -> None:
    """One process: it has what every run has, and fetches."""
    info = app_info("platform", "politeness", "check")
    pause = Pause(plan.delay_s, 1.2 * plan.delay_s)
    source = Source(info, None, lambda _: Outcome(), ("127.0.0.1/32",), pause=pause)
    run = Runtime(id=f"{number:032x}", app=App(id=0, code=info.code), epoch=1)
    wiring = wire(run, source, args={}, progress=lambda **_: None, stop=threading.Event())
    try:
        for page in range(plan.requests):
            wiring.context.request.get(f"{url}/{number}/{page}")
    finally:
        wiring.close()


def _handler(seen: Seen, plan: Plan) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            with lock:
                now = time.monotonic()
                seen.arrivals.append(now)
                is_refused = len(seen.arrivals) >= plan.refused and not seen.refused_at and self.path != "/robots.txt"
                if is_refused:
                    seen.refused_at = now
            self.send_response(429 if is_refused else 200)
            if is_refused:
                self.send_header("Retry-After", str(plan.retry_after_s))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Quiet."""

    return Handler


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)
