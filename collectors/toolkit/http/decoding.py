"""Unpacking what a site packed, piece by piece and never more than asked for: a bomb ends at its limit."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Protocol

#: So many layers are unpacked; nobody packs a page more often.
MOST_LAYERS = 3


class Undecodable(Exception):
    """The body is not what its Content-Encoding says."""


class Overflow(Exception):
    """More came out than is allowed."""


class Decoder(Protocol):
    """Unpacks one layer."""

    def decode(self, data: bytes, limit: int) -> bytes:
        """What `data` adds. Raises `Overflow` once it is more than `limit` bytes, and `Undecodable`."""
        ...

    def finish(self) -> None:
        """There is no more. Raises `Undecodable` if something is missing."""
        ...


class Inflate:
    """gzip (one or more members) and deflate, whichever of its two forms."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._bits = zlib.MAX_WBITS | 16 if is_gzip else zlib.MAX_WBITS
        self._inflater = zlib.decompressobj(self._bits)
        self._is_first = True
        self._has_data = False

    def decode(self, data: bytes, limit: int) -> bytes:
        out = bytearray()
        while data:
            self._has_data = True
            if self._inflater.eof:
                if not self._is_gzip or not data.strip(b"\0"):
                    return bytes(out)  # padding, or what servers append; gzip itself ignores it
                self._inflater = zlib.decompressobj(self._bits)
            try:
                out += self._inflater.decompress(data, limit - len(out) + 1)
            except zlib.error as error:
                if self._is_first and not self._is_gzip:
                    # Some servers send deflate without the zlib wrapping that the standard asks for.
                    self._is_first, self._inflater = False, zlib.decompressobj(-zlib.MAX_WBITS)
                    continue
                raise Undecodable(str(error)) from None
            self._is_first = False
            if len(out) > limit:
                raise Overflow
            data = self._inflater.unused_data
        return bytes(out)

    def finish(self) -> None:
        if self._has_data and not self._inflater.eof:
            raise Undecodable("it ends in the middle")


class Brotli:
    """br."""

    def __init__(self) -> None:
        import brotli

        self._error: type[Exception] = brotli.error
        self._decompressor = brotli.Decompressor()
        self._has_data = False

    def decode(self, data: bytes, limit: int) -> bytes:
        self._has_data = self._has_data or bool(data)
        out = bytearray()
        try:
            out += self._decompressor.process(data, output_buffer_limit=limit + 1)
            while not self._decompressor.can_accept_more_data() and len(out) <= limit:
                out += self._decompressor.process(b"", output_buffer_limit=limit - len(out) + 1)
        except self._error as error:
            raise Undecodable(str(error)) from None
        if len(out) > limit:
            raise Overflow
        return bytes(out)

    def finish(self) -> None:
        if self._has_data and not self._decompressor.is_finished():
            raise Undecodable("it ends in the middle")


class Zstd:
    """zstd, one or more frames."""

    def __init__(self) -> None:
        from backports import zstd

        self._zstd = zstd
        self._decompressor = self._new()
        self._has_data = False

    def _new(self) -> Any:
        # RFC 8878 recommends that decoders take windows of up to 8 MB; more is memory that a site makes us spend.
        return self._zstd.ZstdDecompressor(options={self._zstd.DecompressionParameter.window_log_max: 23})

    def decode(self, data: bytes, limit: int) -> bytes:
        out = bytearray()
        while data:
            self._has_data = True
            if self._decompressor.eof:
                self._decompressor = self._new()
            try:
                out += self._decompressor.decompress(data, max_length=limit - len(out) + 1)
            except self._zstd.ZstdError as error:
                raise Undecodable(str(error)) from None
            if len(out) > limit:
                raise Overflow
            data = self._decompressor.unused_data
        return bytes(out)

    def finish(self) -> None:
        if self._has_data and not self._decompressor.eof:
            raise Undecodable("it ends in the middle")


def decoders_for(encodings: str) -> Sequence[Decoder]:
    """The decoders for a Content-Encoding, in the order in which they undo it. Raises `Undecodable`."""
    names = [name for name in (word.strip().lower() for word in encodings.split(",")) if name not in ("", "identity")]
    if len(names) > MOST_LAYERS:
        raise Undecodable(f"it is packed {len(names)} times over")
    return [_decoder(name) for name in reversed(names)]


def _decoder(name: str) -> Decoder:
    match name:
        case "gzip" | "x-gzip":
            return Inflate(is_gzip=True)
        case "deflate":
            return Inflate(is_gzip=False)
        case "br":
            return Brotli()
        case "zstd":
            return Zstd()
    raise Undecodable(f"it is packed as {name[:40]!r}, which was not asked for")
