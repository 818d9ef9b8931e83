"""The line between manager and shim: small JSON messages, one a line, over a socket pair. Its end means a death.

manager -> shim    go (for a shim that was forked ahead of its run, with the order), stop(why), kill
shim -> manager    started(pid, pid_started, limits_by), stage(name), ended(report)
"""

from __future__ import annotations

import json
import socket
from typing import Any

_CHUNK = 64 * 1024


class Lifeline:
    """One end of the line."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._rest = b""
        self.is_cut = False
        """Whether the other side is gone. What it said before is still heard."""

    @classmethod
    def pair(cls) -> tuple[Lifeline, socket.socket]:
        """Our end, and the other one to give away."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def fileno(self) -> int:
        """For `poll` and `selectors`."""
        return self._socket.fileno()

    def say(self, kind: str, **values: Any) -> None:
        """Send a message. Whether the other side is gone is learned by hearing."""
        try:
            self._socket.sendall(json.dumps({"kind": kind, **values}).encode() + b"\n")
        except OSError:
            return

    def hand(self, kind: str, fd: int) -> None:
        """Send a message with a copy of a file descriptor. Raises `OSError` when the other side is gone."""
        socket.send_fds(self._socket, [json.dumps({"kind": kind}).encode() + b"\n"], [fd])

    def wait_for_fd(self) -> int | None:
        """The file descriptor of a message that is yet to be heard; None when the other side is gone."""
        data, fds, _, _ = socket.recv_fds(self._socket, _CHUNK, 1)
        self.is_cut = not data
        self._rest += data
        return fds[0] if fds else None

    def hear(self) -> list[dict[str, Any]]:
        """The messages that have arrived, without waiting."""
        while not self.is_cut:
            try:
                data = self._socket.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.is_cut = not data
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Let go; the other side hears the end."""
        self._socket.close()
