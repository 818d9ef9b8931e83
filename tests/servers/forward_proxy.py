"""Proxies on loopback, for HTTP and SOCKS5, that misbehave on request; and judges that do.

with forward_proxy("127.0.0.7") as proxy:      # sites see it come from this address
    proxy.mode = "hangs"
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import quote, urlsplit

NO_LINGER = struct.pack("ii", 1, 0)
PATIENCE_S = 10.0


@dataclass
class ForwardProxy:
    """What the test sets, and what the proxy saw."""

    egress: str
    """The address that sites see."""
    user: str = ""
    password: str = ""
    mode: str = ""
    """Well, or it "refuses", "hangs", "cuts" answers in their middle, or "lies": writes `lie` into their JSON."""
    lie: str = "203.0.113.9"
    where: str = ""
    """Host and port."""
    scheme: str = "http"
    asked: list[str] = field(default_factory=list)
    hung: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """As a source would write it."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{self.scheme}://{who}{self.where}"

    def connect(self, host: str, port: int) -> socket.socket:
        """To a site, from the address that it is to see."""
        return socket.create_connection((host, port), timeout=PATIENCE_S, source_address=(self.egress, 0))


class _Http(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        proxy: ForwardProxy = self.server.proxy
        if not self._lets_in(proxy):
            return
        target = urlsplit(self.path)
        with proxy.connect(target.hostname or "", target.port or 80) as site:
            path = target.path + (f"?{target.query}" if target.query else "")
            site.sendall(f"GET {path or '/'} HTTP/1.1\r\nHost: {target.netloc}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := site.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        if proxy.mode == "lies" and body.startswith(b"{"):
            body = json.dumps({**json.loads(body), "ip": proxy.lie}).encode()
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
            head = b"\r\n".join([*lines, f"Content-Length: {len(body)}".encode()])
        if proxy.mode == "cuts":
            body = body[: len(body) // 2]
        self.wfile.write(head + b"\r\nConnection: close\r\n\r\n" + body)
        self.close_connection = True

    def do_CONNECT(self) -> None:
        proxy: ForwardProxy = self.server.proxy
        if not self._lets_in(proxy):
            return
        name, _, port = self.path.rpartition(":")
        with proxy.connect(name, int(port)) as site:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            _carry_both(self.connection, site)
        self.close_connection = True

    def _lets_in(self, proxy: ForwardProxy) -> bool:
        proxy.asked.append(self.path)
        wanted = "Basic " + base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        if proxy.user and self.headers.get("Proxy-Authorization") != wanted:
            self.send_error(407)
        elif proxy.mode == "refuses":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.connection.close()
        elif proxy.mode == "hangs":
            proxy.hung.wait(PATIENCE_S)
        else:
            return True
        self.close_connection = True
        return False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Quiet."""


class _Socks(StreamRequestHandler):
    """RFC 1928, as far as CONNECT to names and IPv4 addresses; RFC 1929 where it wants a password."""

    server: Any

    def handle(self) -> None:
        proxy: ForwardProxy = self.server.proxy
        if proxy.mode == "babbles":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        _version, count = self.rfile.read(2)
        offered, wanted = self.rfile.read(count), 2 if proxy.user else 0
        self.wfile.write(bytes([5, wanted if wanted in offered else 255]))
        if wanted not in offered or (wanted and not self._knows(proxy)):
            return
        _version, _command, _reserved, kind = self.rfile.read(4)
        name = self.rfile.read(self.rfile.read(1)[0]).decode() if kind == 3 else ""
        host = name or socket.inet_ntoa(self.rfile.read(4))
        port = int.from_bytes(self.rfile.read(2))
        proxy.asked.append(f"{host}:{port}")
        if proxy.mode == "refuses":
            self.wfile.write(bytes([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]))
            return
        with proxy.connect(host, port) as site:
            self.wfile.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            _carry_both(self.connection, site)

    def _knows(self, proxy: ForwardProxy) -> bool:
        self.rfile.read(1)
        said = [self.rfile.read(self.rfile.read(1)[0]).decode() for _ in range(2)]
        is_known = said == [proxy.user, proxy.password]
        self.wfile.write(bytes([1, 0 if is_known else 1]))
        return is_known


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what it is for."""


class _SocksServer(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As above."""


def _carry_both(client: socket.socket, site: socket.socket) -> None:
    back = threading.Thread(target=_carry, args=(site, client), daemon=True)
    back.start()
    _carry(client, site)
    back.join(PATIENCE_S)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def forward_proxy(
    egress: str = "127.0.0.1", *, user: str = "", password: str = "", socks: bool = False
) -> Iterator[ForwardProxy]:
    """A running proxy."""
    proxy = ForwardProxy(egress, user, password, scheme="socks5" if socks else "http")
    server: Any = _SocksServer(("127.0.0.1", 0), _Socks) if socks else _HttpServer(("127.0.0.1", 0), _Http)
    server.proxy = proxy
    proxy.where = f"127.0.0.1:{server.server_address[1]}"
    with _serving(server):
        try:
            yield proxy
        finally:
            proxy.hung.set()


@dataclass
class JudgeServer:
    """A judge; `answer` makes status and body from the address it was called from, and the query."""

    url: str = ""
    answer: Callable[[str, str], tuple[int, bytes]] = field(
        default=lambda address, _query: (200, json.dumps({"ip": address}).encode())
    )
    asked: int = 0


@contextmanager
def judge_server(path: str = "/ip") -> Iterator[JudgeServer]:
    """A running judge."""
    judge = JudgeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            judge.asked += 1
            status, body = judge.answer(self.client_address[0], urlsplit(self.path).query)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
            """Quiet."""

    server = _HttpServer(("127.0.0.1", 0), Handler)
    judge.url = f"http://127.0.0.1:{server.server_address[1]}{path}"
    with _serving(server):
        yield judge


@contextmanager
def _serving(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
