"""The transport in an event loop, over aiohttp: httpx's own collapses with fifty requests at once (decision 0020)."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from collectors.toolkit.http.answer import Exchange, Page, raw_headers
from collectors.toolkit.http.faults import Fault, WireFault, connection_fault, proxy_fault
from collectors.toolkit.http.guard import Guard
from collectors.toolkit.http.profile import PROXY_SCHEMES, Profile, Proxy, ssl_context
from collectors.toolkit.http.wire import KEEP_S, is_of_socks

#: What aiohttp would add; ours are all there already.
_NOT_BY_ITSELF = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
#: Lines of a header, in bytes, and how many: as much as the plain transport takes in all.
_LINE, _LINES = 64 * 1024, 256
_PROXY_AUTH = "Proxy-Authorization"


class LoopedWire:
    """HTTP/1.1 for any number of requests at once. The guard is on the direct way; a proxy's address is its owner's."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None
        self._by_socks: dict[Proxy, aiohttp.ClientSession] = {}

    async def send(self, exchange: Exchange) -> Page:
        """See `wires.AsyncWire`."""
        try:
            return await self._send(exchange)
        except TimeoutError as error:
            raise WireFault(Fault.DEADLINE if exchange.left_s <= 0 else Fault.TIMEOUT) from error
        except Exception as error:
            raise wire_fault(error) from error

    async def _send(self, exchange: Exchange) -> Page:
        request, silence_s, way = exchange.request, exchange.silence_s, _by(exchange.proxy)
        session = self._session(exchange.proxy)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw_headers(request)]
        if way.get("proxy_headers") and request.url.scheme == "http":
            headers += way.pop(
                "proxy_headers"
            ).items()  # it goes to the proxy itself; aiohttp adds them to CONNECT only
        response = await session.request(
            request.method,
            _bare(request.url),
            headers=headers,
            data=request.content or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=max(exchange.left_s, 0.001), sock_connect=silence_s, sock_read=silence_s
            ),
            **way,
        )
        try:
            encoding = ",".join(response.headers.getall("Content-Encoding", ()))
            body = exchange.body(response.status, encoding, response.headers.get("Content-Length", ""))
            content = response.content
            while piece := await content.readany():
                body.feed(piece)
        except BaseException:
            response.close()
            raise
        version = response.version
        return Page(
            response.status,
            response.raw_headers,
            body.finish(),
            request=request,
            version=b"HTTP/1.1" if version is None or version.minor else b"HTTP/1.0",
            reason=(response.reason or "").encode("latin-1", "replace"),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        for session in (self._direct, self._proxied, *self._by_socks.values()):
            if session is not None:
                await session.close()
        self._direct = self._proxied = None
        self._by_socks.clear()

    def _session(self, proxy: Proxy | None) -> aiohttp.ClientSession:
        if proxy is not None and proxy.is_socks:
            # aiohttp knows no SOCKS: there the whole connector is the proxy's.
            if proxy not in self._by_socks:
                self._by_socks[proxy] = self._opened(_socks_connector(proxy, ssl=ssl_context(self._profile.tls)))
            return self._by_socks[proxy]
        if proxy is not None:
            self._proxied = self._proxied or self._open(None)
            return self._proxied
        self._direct = self._direct or self._open(Guard(self._profile.allowed))
        return self._direct

    def _open(self, guard: Guard | None) -> aiohttp.ClientSession:
        options: dict[str, Any] = {}
        if guard is not None:
            options = {"resolver": _JudgingResolver(guard), "socket_factory": _socket_factory(guard)}
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEP_S, ssl=ssl_context(self._profile.tls), **options
        )
        return self._opened(connector)

    def _opened(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOT_BY_ITSELF,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_LINES,
        )


def wire_fault(error: Exception) -> WireFault:
    """What aiohttp says, in our words."""
    if isinstance(error, WireFault):
        return error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_fault(f"{error.status} {error.message}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return WireFault(Fault.PROXY, f"the proxy cannot be reached ({connection_fault(error).reason})")
    if is_of_socks(error):
        # What refuses the connection to the proxy stands behind what it makes of that.
        cannot = isinstance(error, OSError) and not hasattr(error, "error_code")
        reason = connection_fault(error.__cause__ or error).reason
        return WireFault(Fault.PROXY, f"the proxy cannot be reached ({reason})") if cannot else proxy_fault(str(error))
    if isinstance(error, aiohttp.InvalidURL):
        return WireFault(Fault.URL, "it is not a URL")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return WireFault(Fault.CONNECTION, "server disconnected without sending a response")
    if isinstance(error, aiohttp.ClientPayloadError):
        return WireFault(Fault.CONNECTION, "the connection ended in the middle of the answer")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http_exceptions.HttpProcessingError):
        return WireFault(Fault.ANSWER, (error.message or type(error).__name__).split("\n")[0].rstrip(" .:"))
    if isinstance(error, aiohttp.ClientError | OSError):
        return connection_fault(error)
    raise error


def _bare(url: httpx.URL) -> URL:
    """What is sent: user and password have become a header, and a fragment stays with us."""
    if url.userinfo or url.fragment:
        url = url.copy_with(userinfo=b"", fragment=None)
    return URL(str(url), encoded=True)


def _by(proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None or proxy.is_socks:
        return {}
    url = httpx.URL(proxy.url)
    headers = {_PROXY_AUTH: aiohttp.encode_basic_auth(url.username, url.password)} if url.userinfo else None
    return {"proxy": _bare(url), "proxy_headers": headers}


def _socks_connector(proxy: Proxy, **options: Any) -> aiohttp.BaseConnector:
    from aiohttp_socks import ProxyConnector, ProxyType

    url = httpx.URL(proxy.url)
    return ProxyConnector(
        host=url.host,
        port=url.port or PROXY_SCHEMES[url.scheme],
        proxy_type=ProxyType.SOCKS5,
        username=url.username or None,
        password=url.password or None,
        rdns=True,
        limit=0,
        keepalive_timeout=KEEP_S,
        **options,
    )


class _JudgingResolver(AbstractResolver):
    """Looks names up, and tells only the addresses that may be visited: aiohttp connects to these and no others."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp."""
        found = await self._inner.resolve(host, port, family)
        allowed = set(self._guard.pick([result["host"] for result in found]))
        return [result for result in found if result["host"] in allowed]

    async def close(self) -> None:
        """See aiohttp."""
        await self._inner.close()


def _socket_factory(guard: Guard) -> Any:
    """The last look, at the very address that is connected to: one that is written in the URL is not looked up."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        guard.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    return make
