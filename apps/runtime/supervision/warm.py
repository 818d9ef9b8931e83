"""The manager's side of the forkserver."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from apps.runtime.supervision.forkserver import PACKET

#: A forkserver that takes longer to become ready, or to answer when it is, is given up.
WARM_UP_S, ANSWER_S = 30.0, 5.0


class Answer(NamedTuple):
    """What became of a request."""

    number: int
    pid: int
    pidfd: int
    """-1 where there is no shim: the fork was refused."""


@dataclass(slots=True)
class WarmProcess:
    """One forkserver and the requests it has not answered."""

    process: subprocess.Popen[bytes]
    socket: sockets.socket
    pidfd: int
    is_ready: bool = False
    #: Number of a request -> when its time is over.
    waiting: dict[int, float] = field(default_factory=dict)

    @classmethod
    def launch(cls, entry: str, *, cwd: Path, env: Mapping[str, str]) -> WarmProcess:
        """Start one. Raises `OSError`."""
        ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        with ExitStack() as at_failure, theirs:
            at_failure.callback(ours.close)
            argv = [sys.executable, "-m", "apps.runtime.supervision.forkserver", str(theirs.fileno()), entry]
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            at_failure.pop_all()
        ours.setblocking(False)  # noqa: FBT003 - its signature
        return cls(process, ours, os.pidfd_open(process.pid))

    def ask(self, number: int, lifeline: sockets.socket, order: int | None) -> None:
        """Have a shim forked; without an order it waits for one. Raises `OSError` when nobody listens."""
        fds = [lifeline.fileno()] if order is None else [lifeline.fileno(), order]
        sockets.send_fds(self.socket, [json.dumps({"n": number}).encode()], fds)
        self.waiting[number] = time.monotonic() + (ANSWER_S if self.is_ready else WARM_UP_S)

    def answers(self) -> tuple[list[Answer], bool]:
        """What it has said since the last time, and whether it is gone."""
        found: list[Answer] = []
        while True:
            try:
                packet, fds, _, _ = sockets.recv_fds(self.socket, PACKET, 1)
            except BlockingIOError:
                return found, False
            except OSError:
                packet = b""
            if not packet:
                return found, True
            message = json.loads(packet)
            if "ready" in message:
                self.is_ready = True
                self.waiting = dict.fromkeys(self.waiting, time.monotonic() + ANSWER_S)
                continue
            self.waiting.pop(message["n"], None)
            found.append(Answer(message["n"], message.get("pid", 0), fds[0] if fds else -1))

    def is_overdue(self, now: float) -> bool:
        """Whether a request has waited too long."""
        return any(now > moment for moment in self.waiting.values())

    def end(self) -> None:
        """End it, alive or dead. Its shims go on: nothing of theirs is here."""
        self.socket.close()
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.process.wait()
        os.close(self.pidfd)
