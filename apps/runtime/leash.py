"""A run by hand of an exclusive app: it ends itself when it cannot show that it is alive.

Whoever hears nothing of it for the length of a lease may start the next one. A thread of its own watches that, because
the one that shows signs of life may be waiting for the very database that does not answer.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from apps.runtime.nodes import LEASE
from apps.runtime.supervision.lease import CUT_OFF_S, boot_time
from apps.runtime.supervision.usage import CUT_OFF_GRACE_S

PERIOD_S = 0.2


def ask_ourselves() -> None:
    """The first TERM lets the items under way finish, the second one ends the run where it stands."""
    os.kill(os.getpid(), signal.SIGTERM)


def end_ourselves() -> None:
    """There is no time left."""
    os.kill(os.getpid(), signal.SIGKILL)


class Leash(threading.Thread):
    """Pulled tighter with every second: asked, asked again, killed before the lease is over."""

    def __init__(self, *, ask: Callable[[], None] = ask_ourselves, kill: Callable[[], None] = end_ourselves) -> None:
        super().__init__(name="leash", daemon=True)
        self._closing = threading.Event()
        self._renewed_at = boot_time()
        self._steps = [(CUT_OFF_S, ask), (CUT_OFF_S + CUT_OFF_GRACE_S, ask), (LEASE.total_seconds() - 0.5, kill)]

    def renew(self, at: float) -> None:
        """A sign of life was written down; `at` is the moment of `boot_time` before that."""
        self._renewed_at = at

    def run(self) -> None:
        """Until closed, or at the end of its length."""
        while self._steps and not self._closing.wait(PERIOD_S):
            if boot_time() - self._renewed_at >= self._steps[0][0]:
                self._steps.pop(0)[1]()

    def close(self) -> None:
        """The work is over: from here on nothing of it can overlap another run."""
        self._closing.set()
        if self.is_alive():
            self.join()
