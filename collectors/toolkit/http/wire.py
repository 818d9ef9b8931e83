"""The plain transport: connections that are kept, addresses that are judged, a deadline below every read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx
from httpcore import SOCKET_OPTION

from collectors.toolkit.http import lookup
from collectors.toolkit.http.answer import Exchange, Page, RawHeaders, raw_headers
from collectors.toolkit.http.faults import Fault, WireFault, connection_fault, proxy_fault
from collectors.toolkit.http.guard import Guard
from collectors.toolkit.http.profile import Profile, Proxy, ssl_context

#: When the answer under way has to be complete. Below every layer, so that none of them can be kept busy for longer.
_deadline: ContextVar[float] = ContextVar("deadline")
KEEP_S = 30.0
CONNECTIONS = 20
#: Proxies change quickly, and each has its own connections; the one that came first goes first.
MOST_WAYS = 8


class PooledWire:
    """HTTP/1.1, and HTTP/2 where the profile says so and the site agrees, over httpcore."""

    def __init__(self, profile: Profile) -> None:
        self._options = pool_options(profile)
        self._allowed = profile.allowed
        self._pools: dict[Proxy | None, httpcore.ConnectionPool] = {}
        self._networks: dict[Proxy | None, _Network] = {}

    def send(self, exchange: Exchange) -> Page:
        token = _deadline.set(exchange.deadline)
        try:
            return self._send(exchange)
        except (httpcore.TimeoutException, TimeoutError) as error:
            late = time.monotonic() >= exchange.deadline
            raise WireFault(Fault.DEADLINE if late else Fault.TIMEOUT) from error
        except Exception as error:
            fault = wire_fault(error, proxy=exchange.proxy)
            if exchange.proxy is not None and fault.fault in (Fault.PROXY, Fault.PROXY_AUTH):
                self._drop(exchange.proxy)
            raise fault from error
        finally:
            _deadline.reset(token)

    def _send(self, exchange: Exchange) -> Page:
        response = self._pool(exchange.proxy).handle_request(core_request(exchange))
        try:
            body = exchange.body(response.status, *of_body(response.headers))
            for piece in response.iter_stream():
                body.feed(piece)
        finally:
            response.close()
        return core_page(exchange.request, response, body.finish())

    def close(self) -> None:
        while self._pools:
            self._pools.popitem()[1].close()

    def _drop(self, proxy: Proxy) -> None:
        """Nothing good comes by it: its connections go, the one too that httpcore forgets when SOCKS goes wrong."""
        network = self._networks.pop(proxy, None)
        if network is not None and network.newest is not None:
            network.newest.close()
        pool = self._pools.pop(proxy, None)
        if pool is not None:
            pool.close()

    def _pool(self, proxy: Proxy | None) -> httpcore.ConnectionPool:
        pool = self._pools.get(proxy)
        if pool is not None:
            return pool
        while len(self._pools) >= MOST_WAYS:
            oldest = next(iter(self._pools))
            self._networks.pop(oldest, None)
            self._pools.pop(oldest).close()
        if proxy is None:
            pool = httpcore.ConnectionPool(**self._options, network_backend=_Network(Guard(self._allowed)))
        else:
            kind = httpcore.SOCKSProxy if proxy.is_socks else httpcore.HTTPProxy
            network = self._networks[proxy] = _Network(None)
            pool = kind(**proxy_options(proxy), **self._options, network_backend=network)
        self._pools[proxy] = pool
        return pool


def pool_options(profile: Profile) -> dict[str, Any]:
    """How httpcore keeps connections."""
    return {
        "ssl_context": ssl_context(profile.tls, http2=profile.http2),
        "max_connections": CONNECTIONS,
        "max_keepalive_connections": CONNECTIONS,
        "keepalive_expiry": KEEP_S,
        "http2": profile.http2,
    }


def of_body(headers: RawHeaders) -> tuple[str, str]:
    """The Content-Encoding and the Content-Length among these."""
    encodings, length = [], b""
    for name, value in headers:
        match name.lower():
            case b"content-encoding":
                encodings.append(value)
            case b"content-length":
                length = value
    return b",".join(encodings).decode("latin-1"), length.decode("latin-1")


def proxy_options(proxy: Proxy) -> dict[str, Any]:
    """How httpcore is told of a proxy."""
    url = httpx.URL(proxy.url)
    bare = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
    return {"proxy_url": bare, "proxy_auth": (url.username, url.password) if url.userinfo else None}


def core_request(exchange: Exchange) -> httpcore.Request:
    """The request as httpcore wants it."""
    request, url = exchange.request, exchange.request.url
    silence_s = exchange.silence_s
    return httpcore.Request(
        request.method.encode("ascii"),
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=raw_headers(request),
        content=request.content,
        extensions={
            "timeout": {"connect": silence_s, "read": silence_s, "write": silence_s, "pool": silence_s},
        },
    )


def core_page(request: httpx.Request, response: httpcore.Response, body: bytes) -> Page:
    """The answer of httpcore as ours."""
    extensions = response.extensions
    return Page(
        response.status,
        response.headers,
        body,
        request=request,
        version=extensions.get("http_version", b"HTTP/1.1"),
        reason=extensions.get("reason_phrase", b""),
    )


def wire_fault(error: Exception, *, proxy: Proxy | None = None) -> WireFault:
    """What httpcore says, in our words."""
    if isinstance(error, WireFault):
        return error
    if isinstance(error, httpcore.ProxyError):
        return proxy_fault(str(error))
    if isinstance(error, httpcore.UnsupportedProtocol | httpcore.LocalProtocolError):
        return WireFault(Fault.URL, str(error).strip().rstrip("."))
    if isinstance(error, httpcore.RemoteProtocolError) and "disconnected" not in str(error).lower():
        return WireFault(Fault.ANSWER, str(error).strip().rstrip("."))
    if isinstance(error, httpcore.NetworkError | httpcore.ProtocolError | OSError):
        return connection_fault(error)
    if proxy is not None and proxy.is_socks and (isinstance(error, AssertionError) or is_of_socks(error)):
        return WireFault(Fault.PROXY, "the proxy does not speak SOCKS5 as it should")
    raise error


def is_of_socks(error: Exception) -> bool:
    """Whether a library of SOCKS could make nothing of an answer."""
    return type(error).__module__.partition(".")[0] in ("socksio", "python_socks", "aiohttp_socks")


class _Network(httpcore.NetworkBackend):
    """Connects to addresses that the guard has judged, those very ones; without a guard, to a proxy."""

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard
        self._inner = httpcore.SyncBackend()
        self.newest: _Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore. Each address in turn gets its share of the time that is left."""
        try:
            addresses = lookup.resolve(host, port, timeout_s=_within(timeout))
            allowed = addresses if self._guard is None else self._guard.pick(addresses)
            for place, address in enumerate(allowed, start=1):
                try:
                    share = (_within(timeout) or 0.0) / (1 if place == len(allowed) else 2)
                    stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
                    self.newest = _Stream(stream)
                except (httpcore.ConnectError, httpcore.ConnectTimeout):
                    if place == len(allowed):
                        raise
                else:
                    return self.newest
        except (httpcore.TimeoutException, httpcore.NetworkError, OSError) as error:
            if self._guard is None:
                raise WireFault(
                    Fault.PROXY, f"the proxy cannot be reached ({connection_fault(error).reason})"
                ) from error
            raise
        raise httpcore.ConnectError(f"no address of {host} is left")


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing waits beyond the deadline."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _within(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _within(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _within(timeout: float | None) -> float | None:
    """`timeout`, or what is left until the deadline. Raises `ReadTimeout` when nothing is."""
    deadline = _deadline.get(None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left if timeout is None else min(timeout, left)
