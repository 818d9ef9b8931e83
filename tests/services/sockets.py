"""Real WebSockets to the real web process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.services.web import WebProcess


def open_socket(web: WebProcess, path: str, key: str = "", *, origin: Any = "own", **options: Any) -> ClientConnection:
    """A socket as a page opens it whose browser has this session."""
    socket: ClientConnection = connect(
        f"ws://127.0.0.1:{web.port}{path}",
        origin=Origin(web.url) if origin == "own" else origin,
        additional_headers={"Cookie": f"sessionid={key}"} if key else {},
        compression=None,
        **options,
    )
    return socket


@contextmanager
def open_with_ticket(web: WebProcess, path: str, ticket: str) -> Iterator[ClientConnection]:
    """A socket as a program opens it."""
    with open_socket(web, path, origin=None, subprotocols=[Subprotocol("ticket")]) as socket:
        say(socket, "ticket", ticket=ticket)
        yield socket


def say(socket: ClientConnection, kind: str, **rest: Any) -> None:
    """Send a message."""
    socket.send(json.dumps({"type": kind, **rest}))


def frame(socket: ClientConnection, kind: str, timeout: float = 10) -> dict[str, Any]:
    """The next frame of a kind."""
    deadline = time.monotonic() + timeout
    while True:
        found: dict[str, Any] = json.loads(socket.recv(timeout=max(0.01, deadline - time.monotonic())))
        assert found.keys() == {"type", "seq", "at", "data"}
        if found["type"] == kind:
            return found


def ended(socket: ClientConnection, timeout: float) -> tuple[int, str]:
    """How the server closed it: code and reason."""
    deadline = time.monotonic() + timeout
    return how_it_ended(lambda: socket.recv(timeout=max(0.01, deadline - time.monotonic())))


def how_it_ended(hear: Callable[[], object]) -> tuple[int, str]:
    """Hear until the server closes; its code and reason."""
    try:
        while True:
            hear()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "no word")


def status_of(web: WebProcess, path: str, key: str = "", **options: Any) -> int:
    """The HTTP status with which a handshake is refused; 101 when it is not."""
    try:
        with open_socket(web, path, key, **options):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
