"""Transports that end in a function instead of a network."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.faults import Fault, WireFault, connection_fault
from collectors.toolkit.http.profile import Profile
from collectors.toolkit.http.wires import AsyncWire, Transports, Wire

_FAULTS: tuple[tuple[type[Exception], Fault], ...] = (
    (httpx.TimeoutException, Fault.TIMEOUT),
    (httpx.ProxyError, Fault.PROXY),
    (httpx.TooManyRedirects, Fault.REDIRECTS),
    (httpx.DecodingError, Fault.ANSWER),
)


class Answering:
    """A wire whose answers come from `respond`; errors of httpx that it raises are those of the network."""

    def __init__(self, respond: Callable[[httpx.Request], httpx.Response]) -> None:
        self._respond = respond

    def send(self, exchange: Exchange) -> Page:
        """See `wires.Wire`."""
        try:
            response = self._respond(exchange.request)
            content = response.read()
        except httpx.HTTPError as error:
            fault = next((fault for kind, fault in _FAULTS if isinstance(error, kind)), None)
            raise (connection_fault(error) if fault is None else WireFault(fault, str(error))) from error
        # What httpx has unpacked already is measured like the rest.
        body = exchange.body(response.status_code, "", "")
        body.feed(content)
        return Page(
            response.status_code,
            response.headers.raw,
            body.finish(),
            request=exchange.request,
            version=b"HTTP/1.1",
            reason=response.reason_phrase.encode("ascii", "replace"),
        )

    def close(self) -> None:
        """Nothing is open."""


class _Looped:
    def __init__(self, wire: Answering) -> None:
        self._wire = wire

    async def send(self, exchange: Exchange) -> Page:
        return self._wire.send(exchange)

    async def aclose(self) -> None:
        """Nothing is open."""


class AnsweringTransports(Transports):
    """Makes clients answer from one `Answering`, whatever their profile."""

    def __init__(self, wire: Answering) -> None:
        self._wire = wire

    def plain(self, profile: Profile) -> Wire:
        """See `Transports`."""
        return self._wire

    def looped(self, profile: Profile) -> AsyncWire:
        """See `Transports`."""
        return _Looped(self._wire)
