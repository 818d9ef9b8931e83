"""Answers that are kept in a file, by hishel, before the wire that would fetch them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from hishel import AsyncSqliteStorage, CacheOptions, SqliteStorage
from hishel.httpx import AsyncCacheTransport, CacheTransport

from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.profile import Cache
from collectors.toolkit.http.wires import AsyncWire, Wire

#: Where an exchange travels with its request.
_EXCHANGE = "exchange"


@dataclass(slots=True)
class CachedWire:
    """A wire that is asked only for what is not kept, or has to be asked about."""

    wire: Wire
    cache: Cache
    transport: CacheTransport | None = None

    def send(self, exchange: Exchange) -> Page:
        """See `wires.Wire`."""
        if exchange.sink is not None:
            return self.wire.send(exchange)
        if self.transport is None:
            storage = SqliteStorage(database_path=_ready(self.cache.file), default_ttl=self.cache.keep_s)
            self.transport = CacheTransport(_Below(self.wire), storage=storage, rfc=_rules(self.cache))
        exchange.request.extensions[_EXCHANGE] = exchange
        response = self.transport.handle_request(exchange.request)
        try:
            response.read()
        finally:
            response.close()
        return _page(exchange, response)

    def close(self) -> None:
        """Close the file and the wire."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None
        self.wire.close()


@dataclass(slots=True)
class AsyncCachedWire:
    """The same in an event loop."""

    wire: AsyncWire
    cache: Cache
    transport: AsyncCacheTransport | None = None

    async def send(self, exchange: Exchange) -> Page:
        """See `wires.AsyncWire`."""
        if exchange.sink is not None:
            return await self.wire.send(exchange)
        if self.transport is None:
            storage = AsyncSqliteStorage(database_path=_ready(self.cache.file), default_ttl=self.cache.keep_s)
            self.transport = AsyncCacheTransport(_AsyncBelow(self.wire), storage=storage, rfc=_rules(self.cache))
        exchange.request.extensions[_EXCHANGE] = exchange
        response = await self.transport.handle_async_request(exchange.request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return _page(exchange, response)

    async def aclose(self) -> None:
        """Close the file and the wire."""
        if self.transport is not None:
            await self.transport.aclose()
            self.transport = None
        await self.wire.aclose()


class _Below(httpx.BaseTransport):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wire.send(replace(request.extensions[_EXCHANGE], request=request))


class _AsyncBelow(httpx.AsyncBaseTransport):
    def __init__(self, wire: AsyncWire) -> None:
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._wire.send(replace(request.extensions[_EXCHANGE], request=request))


def _rules(cache: Cache) -> CacheOptions | bool:
    # Ours alone: what a site sends for one visitor only may be kept too.
    return CacheOptions(shared=False) if cache.asks else False


def _ready(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _page(exchange: Exchange, response: httpx.Response) -> Page:
    page = Page(
        response.status_code,
        response.headers.raw,
        response.content,
        request=exchange.request,
        version=b"HTTP/1.1",
        reason=b"",
    )
    page.extensions["caching"] = response.extensions.get("caching", {})
    return page
