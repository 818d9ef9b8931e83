"""A server that speaks the protocol of SQL Server, with SQLite behind it.

It shows that drivers connect, sign in, page and hear of errors. Locks, isolation, collations, plans and types are
those of SQLite: what SQL Server makes of a statement is not shown by it (docs/testing.md).
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.tds.session import Session
from tests.servers.tds.wire import HungUp


@dataclass(slots=True)
class Standin:
    """What the server holds and lets in, and what it was asked."""

    folder: Path
    users: dict[str, str] = field(default_factory=lambda: {"dc": "Stock-1"})
    databases: set[str] = field(default_factory=lambda: {"stock"})
    read_only: set[str] = field(default_factory=set)
    port: int = 0
    tls: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    """Every statement, as it came."""
    failures: list[tuple[str, int, str]] = field(default_factory=list)
    """`(beginning of a statement, number, message)`: each fails the next statement that begins so, once."""
    locks: dict[str, Session] = field(default_factory=dict)
    unlocked: threading.Condition = field(default_factory=threading.Condition)

    def failure_of(self, statement: str) -> tuple[int, str] | None:
        """The error that this statement is to meet, if one is."""
        for failure in self.failures:
            if statement.lstrip().upper().startswith(failure[0].upper()):
                self.failures.remove(failure)
                return failure[1:]
        return None


@contextmanager
def standing_in(
    folder: Path, certificate: Path | None = None, *, address: str = "127.0.0.1", **values: object
) -> Iterator[Standin]:
    """A server on a port of its own; with a certificate it speaks TLS, and wants it."""
    standin = Standin(folder, **values)  # type: ignore[arg-type]
    if certificate is not None:
        standin.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        standin.tls.load_cert_chain(certificate)
        # The handshake is wrapped in packets and must be over before the stream is not: 1.3 says more afterwards.
        standin.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server((address, 0)) as listener:
        standin.port = listener.getsockname()[1]
        threading.Thread(target=_serve, args=(listener, standin), daemon=True).start()
        yield standin
        # A thread in accept() keeps the port open otherwise.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, standin: Standin) -> None:
    with suppress(OSError):
        for number in range(51, 2**31):
            line, _ = listener.accept()
            threading.Thread(target=_talk, args=(line, standin, number), daemon=True).start()


def _talk(line: socket.socket, standin: Standin, number: int) -> None:
    with line, suppress(OSError, HungUp, ssl.SSLError):
        Session(line, standin, number).run()
