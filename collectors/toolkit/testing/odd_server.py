"""The server below the odd site: it counts, answers, and says nothing."""

from __future__ import annotations

import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OddServer(ThreadingHTTPServer):
    """Serves from a free port, a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what this site is for."""


class OddHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; without this the second waits 40 ms for the client's acknowledgement of the first.
    disable_nagle_algorithm = True
    server: OddServer

    def do_GET(self) -> None:
        self.read()

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        self.write()

    def do_PUT(self) -> None:
        self.write()

    def read(self) -> None:
        """Answer a GET."""
        raise NotImplementedError

    def write(self) -> None:
        """Answer a POST or a PUT."""
        raise NotImplementedError

    def _count(self, key: str) -> int:
        with self.server.lock:
            self.server.seen[key] += 1
            return self.server.seen[key]

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status, HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Quiet."""
