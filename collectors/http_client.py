"""The part of the contract that fetches; `collectors.contract` is where sources import it from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    import httpx


class HTTPClient(Protocol):
    """`context.request`: an HTTP client with the profile of the app. Errors are those of `toolkit.errors`.

    `toolkit.http.Request` says what each method does, and docs/sources/http.md which options there are.
    """

    def get(self, url: str, **options: Any) -> httpx.Response: ...

    def post(self, url: str, **options: Any) -> httpx.Response: ...

    def send(self, method: str, url: str, **options: Any) -> httpx.Response: ...

    def attempt(self, method: str, url: str, **options: Any) -> Any:
        """A `toolkit.http.Fetched`: the page, or the error and what is best done about it."""
        ...

    async def aget(self, url: str, **options: Any) -> httpx.Response: ...

    async def apost(self, url: str, **options: Any) -> httpx.Response: ...

    async def asend(self, method: str, url: str, **options: Any) -> httpx.Response: ...

    async def aattempt(self, method: str, url: str, **options: Any) -> Any:
        """See `attempt`."""
        ...

    async def aclose(self) -> None: ...

    @property
    def cookies(self) -> httpx.Cookies: ...

    def set_headers(self, headers: Mapping[str, str | None]) -> None: ...

    def set_cookies(self, cookies: Mapping[str, str], *, domain: str = "", path: str = "/") -> None: ...

    def set_auth(self, auth: httpx.Auth | tuple[str, str] | None, *, host: str = "") -> None: ...

    def set_proxy(self, proxy: Any) -> None:
        """A `toolkit.http.Proxy`, its URL, None, or `context.proxies`: then an address of one's own for each site."""
        ...

    def set_profile(self, **changes: Any) -> None: ...


class ProxyLease(Protocol):
    """An address that nobody else uses for a site meanwhile. Renewed by itself until it is released, or lost."""

    @property
    def proxy(self) -> Any:
        """The `toolkit.http.Proxy` to go by; refused once the lease is over."""
        ...

    @property
    def address(self) -> str:
        """What the site sees."""
        ...

    @property
    def domain(self) -> str:
        """The site: a registrable domain."""
        ...

    @property
    def is_over(self) -> bool:
        """Released, lost, or given up because the site or the proxy said so."""
        ...

    def report(self, reaction: str, why: str = "") -> None:
        """What a page came to, where requests cannot know it: `"rotate"` bans the address from this site for a while.

        What requests can know they report themselves.
        """
        ...

    def note(self, attempt: Any) -> None:
        """Told by the client of each `toolkit.http.Attempt` by this proxy."""
        ...

    def release(self) -> None:
        """Give it back; again it does nothing."""
        ...


class Proxies(Protocol):
    """`context.proxies`: addresses to go by, each for one run and one site at a time (docs/proxies.md)."""

    def acquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> ProxyLease:
        """A lease for the site of `url`. Raises `toolkit.errors.NoProxy` when none could be had in time."""
        ...

    def lease(self, url: str, *, country: str = "", wait_s: float = 120.0) -> AbstractContextManager[Any]:
        """The same for a block: `with context.proxies.lease(url) as proxy:` gives the `toolkit.http.Proxy`."""
        ...

    async def aacquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> ProxyLease:
        """`acquire`, in an event loop."""
        ...

    def alease(self, url: str, *, country: str = "", wait_s: float = 120.0) -> AbstractAsyncContextManager[Any]:
        """`lease`, in an event loop."""
        ...


class _NoProxies:
    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise LookupError("There are no proxies in this context.")

    acquire = lease = alease = _refuse

    async def aacquire(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()


#: For contexts that have none.
no_proxies: Proxies = _NoProxies()
