"""The HTTP client against a real site that misbehaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from collectors.toolkit.errors import BadStatus, FetchError, FetchTimeout, SiteUnreachable
from collectors.toolkit.http import ClientPool, Profile, Request, RequestMetrics, Retries, networks
from collectors.toolkit.testing.odd_site import odd_site

LOOPBACK = networks("127.0.0.1")
ONCE = Retries(count=0)
HERE = Profile(allowed=LOOPBACK, retries=ONCE)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with odd_site() as url:
        yield url


@pytest.fixture
def request_() -> Iterator[Request]:
    client = Request(HERE)
    yield client
    client.close()


def test_it_brings_the_page(site: str, request_: Request) -> None:
    assert request_.get(f"{site}/page", params={"q": "1"}).text == "/page?q=1"
    assert request_.post(f"{site}/form", content=b"sent").content == b"sent"


def test_it_names_the_product_as_user_agent() -> None:
    assert Profile(headers={"X-Own": "1"}).base_headers["User-Agent"].startswith("DataCollector/")


def test_a_status_that_is_not_2xx_is_an_error_with_the_status(site: str, request_: Request) -> None:
    with pytest.raises(BadStatus, match=r"/status/503 answered 503 Service Unavailable\.$") as caught:
        request_.get(f"{site}/status/503")
    assert caught.value.status == 503
    assert caught.value.category == "http"


def test_a_status_that_is_welcome_is_no_error(site: str, request_: Request) -> None:
    assert request_.get(f"{site}/status/404", accept={404}).status_code == 404
    assert request_.metrics.failed == 0


def test_a_site_that_takes_too_long_is_a_timeout(site: str) -> None:
    client = Request(Profile(timeout_s=0.5, allowed=LOOPBACK, retries=ONCE))
    with pytest.raises(FetchTimeout, match=r"did not answer within 0\.5 s"):
        client.get(f"{site}/slow/3")
    client.close()


def test_a_refused_connection_says_so(request_: Request) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(SiteUnreachable, match=r"cannot be reached: .*(refused|failed)"):
            request_.get(url)


def test_a_connection_that_breaks_off_is_a_site_that_cannot_be_reached(site: str, request_: Request) -> None:
    with pytest.raises(SiteUnreachable, match="disconnected"):
        request_.get(f"{site}/hang-up")


def test_redirects_in_circles_end(site: str, request_: Request) -> None:
    with pytest.raises(FetchError, match="redirects without end"):
        request_.get(f"{site}/circle")


@pytest.mark.parametrize(
    ("url", "words"),
    [("ftp://example.invalid/x", "http://"), ("no-scheme", "http://"), ("http://host:port/", "is not a URL")],
)
def test_what_is_no_web_address_is_refused(url: str, words: str, request_: Request) -> None:
    with pytest.raises(FetchError, match=words):
        request_.get(url)


def test_messages_never_hold_the_password_of_a_url(site: str, request_: Request) -> None:
    with pytest.raises(BadStatus) as caught:
        request_.get(site.replace("http://", "http://someone:hunter2@") + "/status/500")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caught.value.url


def test_the_async_methods_behave_alike(site: str) -> None:
    async def visit() -> tuple[str, bytes, str]:
        client, hasty = Request(HERE), Request(Profile(timeout_s=0.5, allowed=LOOPBACK, retries=ONCE))
        try:
            page = (await client.aget(f"{site}/page")).text
            sent = (await client.apost(f"{site}/form", content=b"sent")).content
            with pytest.raises(BadStatus) as caught:
                await client.aget(f"{site}/status/500")
            with pytest.raises(FetchTimeout):
                await hasty.aget(f"{site}/slow/3")
            return page, sent, str(caught.value)
        finally:
            await client.aclose()
            await hasty.aclose()

    page, sent, message = asyncio.run(visit())
    assert (page, sent) == ("/page", b"sent")
    assert message.endswith("answered 500 Internal Server Error.")


def test_every_thread_has_a_client_of_its_own_and_all_count_together(site: str) -> None:
    metrics = RequestMetrics()
    pool = ClientPool(lambda: Request(HERE, metrics))

    def visit(number: int) -> int:
        pool.current().get(f"{site}/{number}")
        return id(pool.current())

    with ThreadPoolExecutor(4) as executor:
        clients = set(executor.map(visit, range(40)))
    assert 1 <= len(clients) <= 4
    assert id(pool.current()) not in clients
    pool.close()
    assert (metrics.count, metrics.failed) == (40, 0)
    assert metrics.mean_ms is not None
    assert metrics.mean_ms > 0


def test_without_requests_there_is_no_mean() -> None:
    assert RequestMetrics().mean_ms is None
