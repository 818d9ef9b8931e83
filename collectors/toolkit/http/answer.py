"""One answer, whole: what every transport hands back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from collectors.toolkit.http.body import Body
from collectors.toolkit.http.profile import Proxy
from collectors.toolkit.parsing.encodings import encoding_of

RawHeaders = Sequence[tuple[bytes, bytes]]
_NOTHING = httpx.ByteStream(b"")


@dataclass(slots=True)
class Exchange:
    """One request that is to be sent now, and what its answer may cost."""

    request: httpx.Request
    proxy: Proxy | None
    deadline: float
    """By the monotonic clock."""
    silence_s: float
    most_bytes: int
    sink: Callable[[bytes], object] | None = None
    got: Body | None = None
    """What came, as far as it came."""

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()

    def body(self, status: int, encoding: str, length: str) -> Body:
        """Where the body of the answer goes. Only one that is welcome goes to the sink."""
        if self.request.method == "HEAD" or status < 200 or status in (204, 304):
            encoding = length = ""
        self.got = Body(
            self.most_bytes,
            encoding=encoding,
            length=int(length[:18]) if length.isascii() and length.isdigit() else None,
            sink=self.sink if 200 <= status < 300 else None,
        )
        return self.got

    def sizes(self, page: Page | None) -> tuple[int, int]:
        """Bytes sent and received, as HTTP/1.1 writes them; what TLS adds is not known here."""
        request = self.request
        sent = len(request.method) + len(request.url.raw_path) + 13 + _size_of(raw_headers(request))
        received = 0 if self.got is None else self.got.received
        if page is not None:
            received += 17 + _size_of(page.raw_headers)
        return sent + len(request.content), received


def _size_of(headers: RawHeaders) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers) + 2


class PlainGet(httpx.Request):
    """A GET without a body, as nearly all requests are; its headers become an object when they are asked for."""

    def __init__(self, url: httpx.URL, headers: RawHeaders) -> None:
        self.method = "GET"
        self.url = url
        self.extensions = {}
        self.stream = _NOTHING
        self._content = b""
        self._given = headers

    def __getattr__(self, name: str) -> Any:
        if name == "headers":
            self.headers = httpx.Headers(raw_headers(self))
            return self.headers
        raise AttributeError(name)


def raw_headers(request: httpx.Request) -> list[tuple[bytes, bytes]]:
    """The headers as they go onto the wire."""
    if isinstance(request, PlainGet) and "headers" not in request.__dict__:
        return [(b"Host", request.url.netloc), *request._given]
    return request.headers.raw


class Page(httpx.Response):
    """An `httpx.Response` that is all there, and knows what encoding its text is in, whatever the site says.

    Its headers are read when they are asked for: most pages are parsed without, and httpx reads them slowly.
    """

    def __init__(
        self, status: int, headers: RawHeaders, body: bytes, *, request: httpx.Request, version: bytes, reason: bytes
    ) -> None:
        # What `httpx.Response.__init__` and `read()` would leave behind; they would unpack the body once more.
        self.status_code = status
        self.raw_headers = headers
        self._request = request
        self.next_request = None
        self.extensions = {"http_version": version, "reason_phrase": reason}
        self.history = []
        self.is_closed = self.is_stream_consumed = True
        self.default_encoding = "utf-8"
        self.stream = httpx.ByteStream(body)
        self._content = body
        self._num_bytes_downloaded = len(body)
        self._encoding_found: str | None = None
        self.header_names = {name.lower() for name, _ in headers}
        """To ask whether one is there."""

    def __getattr__(self, name: str) -> Any:
        if name == "headers":
            self.headers = httpx.Headers(list(self.raw_headers))
            return self.headers
        raise AttributeError(name)

    @property
    def encoding(self) -> str:
        """The encoding of the text: the one the site names if the text is in it, else the one that it is in."""
        if self._encoding_found is None:
            self._encoding_found = encoding_of(self.content, declared=self.charset_encoding)
        return self._encoding_found

    @encoding.setter
    def encoding(self, value: str) -> None:
        if hasattr(self, "_text"):
            raise ValueError("The encoding has to be set before the text is asked for.")
        self._encoding_found = value
