"""An HTTP client with the profile of one app: a thin face over httpx that speaks in our errors."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from collectors import __version__
from collectors.toolkit.errors import BadStatus, FetchError, FetchTimeout, SiteUnreachable
from collectors.toolkit.http.metrics import RequestMetrics

USER_AGENT = f"DataCollector/{__version__}"


@dataclass(frozen=True, slots=True)
class Profile:
    """How an app's requests look."""

    timeout_s: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Keyword arguments of an httpx client."""
        return {
            "timeout": self.timeout_s,
            "headers": {"User-Agent": USER_AGENT, **self.headers},
            "follow_redirects": True,
        }


class Request:
    """One client, for one thread. Redirects are followed; an answer that is not 2xx raises `BadStatus`.

    Options are those of httpx, and `accept`: further statuses that are welcome, such as `accept={404}`.
    Raises `SiteUnreachable`, `FetchTimeout`, `BadStatus`; all of them are `FetchError`.
    """

    def __init__(self, profile: Profile | None = None, metrics: RequestMetrics | None = None) -> None:
        self.profile = profile or Profile()
        self.metrics = metrics or RequestMetrics()
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None

    def get(self, url: str, **options: Any) -> httpx.Response:
        """Fetch `url`."""
        return self.send("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        """Send to `url`."""
        return self.send("POST", url, **options)

    def send(
        self, method: str, url: str, *, accept: frozenset[int] | set[int] = frozenset(), **options: Any
    ) -> httpx.Response:
        """Any other method."""
        if self._client is None:
            self._client = httpx.Client(**self.profile.options())
        start = time.perf_counter()
        try:
            response = self._client.request(method, url, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(url, error, start) from error
        return self._checked(response, accept, start)

    async def aget(self, url: str, **options: Any) -> httpx.Response:
        """Fetch `url`, in an event loop."""
        return await self.asend("GET", url, **options)

    async def apost(self, url: str, **options: Any) -> httpx.Response:
        """Send to `url`, in an event loop."""
        return await self.asend("POST", url, **options)

    async def asend(
        self, method: str, url: str, *, accept: frozenset[int] | set[int] = frozenset(), **options: Any
    ) -> httpx.Response:
        """Any other method, in an event loop."""
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(**self.profile.options())
        start = time.perf_counter()
        try:
            response = await self._async_client.request(method, url, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(url, error, start) from error
        return self._checked(response, accept, start)

    def close(self) -> None:
        """Let go of the connections of the plain methods."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def aclose(self) -> None:
        """Let go of the connections of the async methods; call it in the loop that used them."""
        if self._async_client is not None:
            await self._async_client.aclose()
            self._async_client = None

    def _checked(self, response: httpx.Response, accept: frozenset[int] | set[int], start: float) -> httpx.Response:
        ok = response.is_success or response.status_code in accept
        # Of a redirect it is the host that was asked first: what an author knows, and what does not change on the way.
        asked = (response.history[0] if response.history else response).url
        self.metrics.add(elapsed_s=time.perf_counter() - start, ok=ok, host=asked.host, status=response.status_code)
        if not ok:
            url = without_credentials(response.url)
            message = f"{url} answered {response.status_code} {response.reason_phrase}".rstrip() + "."
            raise BadStatus(message, url=url, status=response.status_code)
        return response

    def _failed(self, url: str, error: Exception, start: float) -> FetchError:
        elapsed_s = time.perf_counter() - start
        try:
            asked = httpx.URL(url)
        except httpx.InvalidURL:
            self.metrics.add(elapsed_s=elapsed_s, ok=False)
            return FetchError(f"{url!r} is not a URL.", url=url)
        self.metrics.add(elapsed_s=elapsed_s, ok=False, host=asked.host)
        shown = without_credentials(asked)
        if isinstance(error, httpx.TimeoutException):
            return FetchTimeout(f"{shown} did not answer within {self.profile.timeout_s:g} s.", url=shown)
        if isinstance(error, httpx.TooManyRedirects):
            return FetchError(f"{shown} redirects without end.", url=shown)
        if isinstance(error, httpx.UnsupportedProtocol):
            return FetchError(f"{shown} cannot be fetched: it has to begin with http:// or https://.", url=shown)
        if isinstance(error, httpx.TransportError):
            return SiteUnreachable(f"{shown} cannot be reached: {reason(error)}.", url=shown)
        return FetchError(f"{shown} could not be read: {reason(error)}.", url=shown)


def without_credentials(url: httpx.URL) -> str:
    """The URL without user name and password, for messages."""
    return str(url.copy_with(userinfo=b"") if url.userinfo else url)


def reason(error: BaseException) -> str:
    """Why a connection failed, in words: the operating system's where it is the one that knows."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in errno.errorcode and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    text = str(error).strip().rstrip(".")
    return text.removeprefix("[Errno -2] ").removeprefix("[Errno -3] ").lower() or type(error).__name__


class ClientPool:
    """One `Request` for each thread that asks, all counting into the same metrics."""

    def __init__(self, make: Callable[[], Request]) -> None:
        self._make = make
        self._local = threading.local()
        self._all: list[Request] = []
        self._lock = threading.Lock()

    def current(self) -> Request:
        """The client of the calling thread."""
        client: Request | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._make()
            with self._lock:
                self._all.append(client)
        return client

    def close(self) -> None:
        """Close every client that was handed out."""
        with self._lock:
            while self._all:
                self._all.pop().close()
