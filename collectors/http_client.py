"""The part of the contract that fetches; `collectors.contract` is where sources import it from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

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
        """A `toolkit.http.Proxy`, its URL, or None."""
        ...

    def set_profile(self, **changes: Any) -> None: ...
