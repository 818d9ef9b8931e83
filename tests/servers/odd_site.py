"""A site that does on request what sites do to collectors: fail, hang, redirect in circles, hang up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class OddSite(BaseHTTPRequestHandler):
    """`/status/503`, `/slow/2.5`, `/circle`, `/hang-up`; anything else answers 200 with its own path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["status", code]:
                self._answer(int(code), b"as you asked")
            case ["slow", seconds]:
                time.sleep(float(seconds))
                self._answer(200, b"at last")
            case ["circle"]:
                self._answer(302, b"", Location="/circle")
            case ["hang-up"]:
                self.close_connection = True
            case _:
                self._answer(200, self.path.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, body)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Quiet."""


@contextmanager
def odd_site() -> Iterator[str]:
    """The base URL of a running odd site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OddSite)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
