"""Which transport a request goes by: kept for as long as the part of the profile stays that a connection depends on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Hashable


class Wire(Protocol):
    """Sends one request and brings the whole answer."""

    def send(self, exchange: Exchange) -> Page:
        """Raises `WireFault`."""
        ...

    def close(self) -> None: ...


class AsyncWire(Protocol):
    """The same in an event loop."""

    async def send(self, exchange: Exchange) -> Page:
        """Raises `WireFault`."""
        ...

    async def aclose(self) -> None: ...


class Transports:
    """Makes the transports of a client. A test hands in its own."""

    def plain(self, profile: Profile) -> Wire:
        """The one for plain calls."""
        from collectors.toolkit.http.wire import PooledWire

        wire = PooledWire(profile)
        if profile.cache is None:
            return wire
        from collectors.toolkit.http.caching import CachedWire

        return CachedWire(wire, profile.cache)

    def looped(self, profile: Profile) -> AsyncWire:
        """The one for calls in an event loop."""
        wire = self._bare(profile)
        if profile.cache is None:
            return wire
        from collectors.toolkit.http.caching import AsyncCachedWire

        return AsyncCachedWire(wire, profile.cache)

    def _bare(self, profile: Profile) -> AsyncWire:
        # Imported here: half a second and some twenty megabytes, which plain sources do without.
        if profile.http2:
            from collectors.toolkit.http.wire_http2 import MultiplexedWire

            return MultiplexedWire(profile)
        from collectors.toolkit.http.wire_async import LoopedWire

        return LoopedWire(profile)


class Wires:
    """The transports of one client: one for plain calls, and one for the event loop that calls it."""

    def __init__(self, transports: Transports) -> None:
        self._transports = transports
        self._profile: Profile | None = None
        self._key: Hashable = None
        self._plain: Wire | None = None
        self._looped: AsyncWire | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left: list[AsyncWire] = []

    def plain(self, profile: Profile) -> Wire:
        """The transport for a plain call."""
        self._follow(profile)
        if self._plain is None:
            self._plain = self._transports.plain(profile)
        return self._plain

    def looped(self, profile: Profile) -> AsyncWire:
        """The transport for a call in the running event loop."""
        self._follow(profile)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # The connections of a loop that is over cannot be closed any more, only forgotten.
            self._looped, self._loop = None, loop
            self._left.clear()
        if self._looped is None:
            self._looped = self._transports.looped(profile)
        return self._looped

    def _follow(self, profile: Profile) -> None:
        if profile is self._profile:
            return
        key = (profile.tls, profile.http2, profile.allowed, profile.cache)
        if key != self._key:
            self.close()
            if self._looped is not None:
                self._left.append(self._looped)  # others may be waiting for what it brings
                self._looped = None
        self._profile, self._key = profile, key

    def close(self) -> None:
        """Let go of the plain connections; a later call opens new ones."""
        if self._plain is not None:
            self._plain.close()
            self._plain = None

    async def aclose(self) -> None:
        """Let go of the connections of this event loop; a later call opens new ones."""
        if self._looped is not None:
            self._left.append(self._looped)
            self._looped = None
        while self._left:
            await self._left.pop().aclose()
