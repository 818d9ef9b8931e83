"""A shim that was forked ahead of its run, and has forked ahead what is to become the collector.

It waits at the other end of its lifeline for an order; what takes ten milliseconds of a start is behind it then. It
stands for the code of the forkserver that it came from, and ends with it.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass

from apps.runtime.supervision.lifeline import Lifeline
from apps.runtime.supervision.warm import WarmProcess

#: How long it may take to end when it is not needed.
PATIENCE_S = 1.0


@dataclass(slots=True, eq=False)
class Spare:
    """Asked for; there when `pidfd` is known."""

    warm: WarmProcess
    number: int
    """Of the request."""
    lifeline: Lifeline
    pid: int = 0
    pidfd: int = -1

    @classmethod
    def ask(cls, warm: WarmProcess, number: int) -> Spare | None:
        """Have one forked; None when nobody listens."""
        ours, theirs = Lifeline.pair()
        try:
            with theirs:
                warm.ask(number, theirs, None)
        except OSError:
            ours.close()
            return None
        return cls(warm, number, ours)

    def dismiss(self) -> None:
        """End it: it has started nothing. One whose forkserver is dead is ours to reap."""
        self.lifeline.close()
        if self.pidfd < 0:
            return
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(1000 * PATIENCE_S):
            with suppress(OSError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            poll.poll(1000 * PATIENCE_S)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        os.close(self.pidfd)
        self.pidfd = -1
