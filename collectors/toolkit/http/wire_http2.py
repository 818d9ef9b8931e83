"""HTTP/2 in an event loop, over httpcore: one connection carries many requests, so its pool stays small."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

import httpcore
from httpcore import SOCKET_OPTION

from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.faults import Fault, WireFault, connection_fault
from collectors.toolkit.http.guard import Guard
from collectors.toolkit.http.profile import Profile, Proxy
from collectors.toolkit.http.wire import core_page, core_request, of_body, pool_options, proxy_options, wire_fault


class MultiplexedWire:
    """HTTP/2 where the site agrees, else HTTP/1.1."""

    def __init__(self, profile: Profile) -> None:
        self._options = pool_options(profile)
        self._allowed = profile.allowed
        self._pools: dict[Proxy | None, httpcore.AsyncConnectionPool] = {}

    async def send(self, exchange: Exchange) -> Page:
        """See `wires.AsyncWire`."""
        try:
            async with asyncio.timeout(max(0.0, exchange.left_s)):
                return await self._send(exchange)
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise WireFault(Fault.DEADLINE if exchange.left_s <= 0 else Fault.TIMEOUT) from error
        except Exception as error:
            raise wire_fault(error, proxy=exchange.proxy) from error

    async def _send(self, exchange: Exchange) -> Page:
        response = await self._pool(exchange.proxy).handle_async_request(core_request(exchange))
        try:
            body = exchange.body(response.status, *of_body(response.headers))
            async for piece in response.aiter_stream():
                body.feed(piece)
        finally:
            await response.aclose()
        return core_page(exchange.request, response, body.finish())

    async def aclose(self) -> None:
        """Close the connections."""
        while self._pools:
            await self._pools.popitem()[1].aclose()

    def _pool(self, proxy: Proxy | None) -> httpcore.AsyncConnectionPool:
        pool = self._pools.get(proxy)
        if pool is None:
            if proxy is None:
                network = _Network(Guard(self._allowed))
                pool = httpcore.AsyncConnectionPool(**self._options, network_backend=network)
            else:
                kind = httpcore.AsyncSOCKSProxy if proxy.is_socks else httpcore.AsyncHTTPProxy
                pool = kind(**proxy_options(proxy), **self._options, network_backend=_Network(None))
            self._pools[proxy] = pool
        return pool


class _Network(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the guard has judged, those very ones; without a guard, to a proxy."""

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its name in the base class
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
            allowed = addresses if self._guard is None else self._guard.pick(addresses)
            for address in allowed[:-1]:
                try:
                    return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                except httpcore.ConnectError:
                    continue
            return await self._inner.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)
        except (httpcore.NetworkError, OSError) as error:
            if self._guard is None:
                raise WireFault(
                    Fault.PROXY, f"the proxy cannot be reached ({connection_fault(error).reason})"
                ) from error
            raise
