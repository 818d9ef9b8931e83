"""Where notifications arrive: a web server that answers as it is told, and a mail server.

with hook() as server:
    server.status = 503
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.hec import CERTIFICATES


@dataclass
class Hook:
    """What the test sets, and what the server saw."""

    status: int = 200
    location: str = ""
    url: str = ""
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """The JSON of what was posted."""
        return [json.loads(body) for _path, _headers, body in self.posts]


@contextmanager
def hook(*, certificate: str = "") -> Iterator[Hook]:
    """A running web server; with the name of a certificate it speaks TLS."""
    seen = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.posts.append((self.path, dict(self.headers), body))
            self.send_response(seen.status)
            if seen.location:
                self.send_header("Location", seen.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that refuse a certificate are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    seen.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass
class Mailbox:
    """What the test sets, and the mails that came."""

    user: str = ""
    password: str = ""
    refuses: bool = False
    port: int = 0
    mails: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.user and not session.authenticated:
            return "530 sign in first"
        if self.refuses:
            return "451 the disk is full"
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def mail_server(*, user: str = "", password: str = "") -> Iterator[Mailbox]:
    """A running mail server on this machine, without TLS; it asks for a login when there is a user."""
    mailbox = Mailbox(user, password)

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=data == known, handled=False)

    class AnyPort(Controller):
        def _trigger_server(self) -> None:
            # It connects to the port it was given, and 0 is none.
            server: Any = self.server
            self.port = mailbox.port = server.sockets[0].getsockname()[1]
            super()._trigger_server()  # type: ignore[no-untyped-call]

    controller = AnyPort(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        authenticator=authenticate if user else None,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
