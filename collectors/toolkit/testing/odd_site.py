"""A web server that does on request what sites do to collectors: fail, hang, drip, lie, and send bombs.

    with odd_site() as site:
        Request(profile).get(f"{site}/drip/60")

| path | what it does |
|---|---|
| `/status/503` | answers with that status |
| `/flaky/key/2` | fails with 503 so many times, then answers; `key` is yours, to count apart |
| `/retry-after/key/7` | 429 and `Retry-After: 7` the first time, then answers; with `date` for a number, as a date |
| `/slow/2.5` | answers after so many seconds |
| `/drip/60` | a byte every tenth of a second, for so many seconds; `/drip-headers/60` does so before the body |
| `/circle`, `/redirect/302/<url>` | redirects to itself, or to the URL, which is percent-encoded |
| `/hang-up`, `/reset` | closes without an answer, resets the connection in the middle of it |
| `/truncated`, `/garbage` | ends too soon, speaks no HTTP |
| `/huge/10000000000` | says that it is so large, and goes on for as long as anybody reads; `/endless` does not say it |
| `/bomb/gzip/1000000000` | so many bytes in a small body: `gzip`, `deflate`, `br`, `zstd`, or `gzip,gzip` |
| `/charset/utf-8/cp1250` | says that it is in the one encoding, and is in the other; `none` says nothing |
| `/broken-html` | a page that was never closed, nested a thousand deep |
| `/wall`, `/captcha` | what a firewall shows instead of the page |
| `/login`, `/account` | a form that sets a cookie for `user=reader&password=right`, and says 200 to a wrong one too |
| `/tagged/v1` | has an `ETag`, and answers 304 to who knows it |
| `/headers` | the headers of the request, as JSON |
| `/robots.txt` | asks collectors to stay out of `/private/` |

Anything else answers 200 with its own path; a POST answers with its body.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from urllib.parse import parse_qs, unquote

from collectors.toolkit.testing.odd_bodies import BROKEN_HTML, CAPTCHA, LOGIN, WALL, bomb, in_charset
from collectors.toolkit.testing.odd_server import OddHandler, OddServer

_DRIP_S = 0.1
_SESSION = "session=reader"


class _OddSite(OddHandler):
    def read(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/robots.txt":
            self._answer(200, b"User-agent: *\nDisallow: /private/\n", {"Content-Type": "text/plain"})
            return
        word, *rest = path.strip("/").split("/", 1)
        action = getattr(self, f"_on_{word.replace('-', '_')}", None)
        if action is None or query:
            self._answer(200, self.path.encode())
            return
        with suppress(ConnectionError, TimeoutError):
            action(*(rest[0].split("/", 1) if rest else ()))

    def write(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/login":
            self._log_in(parse_qs(body.decode()))
        elif self.path.startswith(("/flaky/", "/redirect/", "/status/", "/headers")):
            self.read()
        else:
            self._answer(200, body)

    # -- Statuses ---------------------------------------------------------------------------------------------------

    def _on_status(self, code: str) -> None:
        self._answer(int(code), b"as you asked")

    def _on_flaky(self, key: str, times: str) -> None:
        if self._count(f"flaky/{key}") <= int(times):
            self._answer(503, b"not yet")
        else:
            self._answer(200, b"at last")

    def _on_retry_after(self, key: str, wait: str) -> None:
        if self._count(f"retry-after/{key}") > 1:
            self._answer(200, b"at last")
            return
        when = formatdate(time.time() + 2, usegmt=True) if wait == "date" else wait
        self._answer(429, b"not so fast", {"Retry-After": when})

    def _on_circle(self) -> None:
        self._answer(302, b"", {"Location": "/circle"})

    def _on_redirect(self, code: str, url: str) -> None:
        self._answer(int(code), b"", {"Location": unquote(url)})

    # -- Time -------------------------------------------------------------------------------------------------------

    def _on_slow(self, seconds: str) -> None:
        time.sleep(float(seconds))
        self._answer(200, b"at last")

    def _on_drip(self, seconds: str) -> None:
        count = int(float(seconds) / _DRIP_S)
        self._begin(200, {"Content-Length": str(count)})
        self._drip(b"." * count)

    def _on_drip_headers(self, seconds: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        self._drip(b"." * int(float(seconds) / _DRIP_S))
        self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")

    def _drip(self, data: bytes) -> None:
        for place in range(len(data)):
            self.wfile.write(data[place : place + 1])
            time.sleep(_DRIP_S)

    # -- Connections ------------------------------------------------------------------------------------------------

    def _on_hang_up(self) -> None:
        self.close_connection = True

    def _on_reset(self) -> None:
        self._begin(200, {"Content-Length": "1000"})
        self.wfile.write(b"x" * 100)
        self.wfile.flush()
        # Closing now sends RST instead of FIN: whatever was on its way is thrown away.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _on_truncated(self) -> None:
        self._begin(200, {"Content-Length": "1000"})
        self.wfile.write(b"x" * 100)
        self.close_connection = True

    def _on_garbage(self) -> None:
        self.wfile.write(b"This is not HTTP at all.\r\n\r\n")
        self.close_connection = True

    # -- Bodies -----------------------------------------------------------------------------------------------------

    def _on_huge(self, size: str) -> None:
        self._begin(200, {"Content-Length": size})
        self._pour(int(size))

    def _on_endless(self) -> None:
        self._begin(200, {"Connection": "close"})
        self._pour(1 << 40)
        self.close_connection = True

    def _pour(self, size: int) -> None:
        piece = b"x" * 65536
        while size > 0:
            self.wfile.write(piece[:size])
            size -= len(piece)

    def _on_bomb(self, encoding: str, size: str) -> None:
        encoding = unquote(encoding)
        self._answer(200, bomb(encoding, int(size)), {"Content-Encoding": encoding})

    def _on_charset(self, said: str, used: str) -> None:
        kind = "text/html" if said == "none" else f"text/html; charset={said}"
        self._answer(200, in_charset(used), {"Content-Type": kind})

    def _on_broken_html(self) -> None:
        self._answer(200, BROKEN_HTML, {"Content-Type": "text/html; charset=utf-8"})

    def _on_wall(self) -> None:
        self._answer(403, WALL, {"Content-Type": "text/html"})

    def _on_captcha(self) -> None:
        self._answer(403, CAPTCHA, {"Content-Type": "text/html"})

    def _on_headers(self) -> None:
        said = json.dumps({name.lower(): value for name, value in self.headers.items()})
        self._answer(200, said.encode(), {"Content-Type": "application/json"})

    def _on_tagged(self, tag: str) -> None:
        if self.headers.get("If-None-Match") == f'"{tag}"':
            self._begin(304, {"ETag": f'"{tag}"'})
        else:
            self._answer(200, tag.encode(), {"ETag": f'"{tag}"', "Cache-Control": "no-cache"})

    # -- Login ------------------------------------------------------------------------------------------------------

    def _on_login(self) -> None:
        self._answer(200, LOGIN, {"Content-Type": "text/html"})

    def _log_in(self, form: dict[str, list[str]]) -> None:
        if form.get("user") == ["reader"] and form.get("password") == ["right"]:
            self._answer(303, b"", {"Location": "/account", "Set-Cookie": f"{_SESSION}; Path=/; HttpOnly"})
        else:
            # As many sites do: the same page again, and a status that says nothing.
            self._answer(200, LOGIN, {"Content-Type": "text/html"})

    def _on_account(self) -> None:
        is_known = _SESSION in self.headers.get("Cookie", "")
        self._answer(200, b"<h1>Your account</h1>" if is_known else LOGIN, {"Content-Type": "text/html"})


@contextmanager
def odd_site(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The base URL of a running odd site; with `tls`, over HTTPS, by the name of 127.0.0.1."""
    server = OddServer(_OddSite)
    if tls is not None:
        # The handshake is the business of the thread that serves the connection, not of the one that accepts them.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
