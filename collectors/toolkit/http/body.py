"""The body of an answer while it comes in: counted, unpacked, bounded."""

from __future__ import annotations

from collections.abc import Callable

from collectors.toolkit.http.decoding import Decoder, Overflow, Undecodable, decoders_for
from collectors.toolkit.http.faults import Fault, WireFault


class Body:
    """Takes pieces as they come off the wire. Raises `WireFault` when it is too much, or cannot be unpacked.

    With a `sink` nothing is kept: each unpacked piece is handed on.
    """

    __slots__ = ("_decoders", "_limit", "_pieces", "_sink", "received", "size")

    def __init__(
        self,
        limit: int,
        *,
        encoding: str = "",
        length: int | None = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._sink = sink
        self.received = 0
        """Bytes off the wire."""
        self.size = 0
        """Bytes when unpacked."""
        try:
            self._decoders = decoders_for(encoding) if encoding else ()
        except Undecodable as error:
            raise _broken(error) from None
        if length is not None and length > limit and not self._decoders:
            raise self._too_large(f"says that it is {length:,} bytes long")

    def feed(self, data: bytes) -> None:
        """The next piece."""
        self.received += len(data)
        for decoder in self._decoders:
            data = self._decoded(decoder, data)
        self.size += len(data)
        if self.size > self._limit or self.received > self._limit:
            raise self._too_large("goes on")
        if not data:
            return
        if self._sink is None:
            self._pieces.append(data)
        else:
            self._sink(data)

    def finish(self) -> bytes:
        """All of it; empty when it went to a sink."""
        for decoder in self._decoders:
            try:
                decoder.finish()
            except Undecodable as error:
                raise _broken(error) from None
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _decoded(self, decoder: Decoder, data: bytes) -> bytes:
        try:
            return decoder.decode(data, self._limit - self.size)
        except Undecodable as error:
            raise _broken(error) from None
        except Overflow:
            raise self._too_large("unpacks to more") from None

    def _too_large(self, what: str) -> WireFault:
        return WireFault(Fault.TOO_LARGE, f"{what}; at most {self._limit:,} bytes are taken")


def _broken(error: Undecodable) -> WireFault:
    return WireFault(Fault.ANSWER, f"its body cannot be unpacked: {error}")
