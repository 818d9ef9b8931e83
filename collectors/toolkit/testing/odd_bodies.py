"""What the odd site sends."""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache

BROKEN_HTML = (
    b"<html><body><p class=open" + b"<div><b><i>" * 1000 + b"<table><tr><td>9,90<td>A1 &euro; &#x110000; <!-- "
)
LOGIN = b'<form method="post" action="/login"><input name="user"><input name="password" type="password"></form>'
WALL = b"<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
CAPTCHA = b'<html><body><form><div class="g-recaptcha" data-sitekey="k"></div></form></body></html>'
TEXT = "<p>Čevapčići, šećer, žlica: 9,90 €</p>"


@lru_cache(maxsize=16)
def bomb(encodings: str, size: int) -> bytes:
    """A body of `size` zeros, packed as the Content-Encoding says, from left to right."""
    names = [name.strip() for name in encodings.split(",")]
    body = _packed(names[0], size)
    for name in names[1:]:
        body = _pack(name, body)
    return body


def in_charset(name: str) -> bytes:
    """A page with letters that no two encodings write alike."""
    return TEXT.encode(name)


def _packed(name: str, size: int) -> bytes:
    if name in ("gzip", "deflate"):
        packer = zlib.compressobj(9, wbits=31 if name == "gzip" else 15)
        piece = bytes(min(size, 1 << 20))
        packed = [packer.compress(piece[: size - done]) for done in range(0, size, max(1, len(piece)))]
        return b"".join([*packed, packer.flush()])
    return _pack(name, bytes(size))


def _pack(name: str, data: bytes) -> bytes:
    match name:
        case "gzip":
            return gzip.compress(data)
        case "deflate":
            return zlib.compress(data)
        case "br":
            import brotli

            return bytes(brotli.compress(data))
        case "zstd":
            from backports import zstd

            return zstd.compress(data)
    return data
