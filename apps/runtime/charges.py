"""A run that a manager supervises: what is known of it, and what of that its row does not say yet."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.supervision import Started

#: What a waker hears when a run has ended and its app has a free slot; no queue is called so.
FREED = "*freed*"
#: How long nothing is claimed after a start that failed: doubled with each that follows.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


@dataclass(slots=True)
class Charge:
    """A run that this manager supervises, and what of it the database does not know yet."""

    run: Runtime
    started: Started | None = None
    started_at: datetime | None = None
    stage: str = ""
    unwritten: dict[str, Any] = field(default_factory=dict)
    is_asked: bool = False

    def begun(self) -> dict[str, Any]:
        """What the move to RUNNING writes."""
        if self.started is None:
            return {}
        return {
            "started_at": self.started_at,
            "pid": self.started.pid,
            "pid_started": self.started.pid_started,
            "limits_by": self.started.limits_by,
        }

    def write(self) -> bool:
        """Write down what is not written yet. False when somebody else has ended the run. Raises `DatabaseError`."""
        run, values = self.run, dict(self.unwritten)
        is_known = run.state == State.STARTING and "pid" in values and run.move(State.RUNNING, **values)
        if not is_known:
            mine = Runtime.objects.filter(pk=run.pk, epoch=run.epoch, state__in=LIVE)
            is_known = bool(mine.update(**values))
        self.unwritten.clear()
        return is_known


class StartPause:
    """A machine that can start no process takes no more runs for a while: another one may be able to.

    Every claim of such a machine would end a run that nobody has begun.
    """

    def __init__(self) -> None:
        self._length_s = self._until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether starting is worth another try."""
        return time.monotonic() >= self._until

    def begin(self) -> None:
        """A start failed. Failures while it lasts are one."""
        if self.is_over:
            self._length_s = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, 2 * self._length_s))
            self._until = time.monotonic() + self._length_s

    def end(self) -> None:
        """A start worked."""
        self._length_s = self._until = 0.0


class Waker:
    """Wakes a thread that waits for a file descriptor, from signal handlers and other threads."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Readable when somebody called."""
        return self._read

    def wake(self, word: str) -> None:
        """Call; what is said is heard once, however often it is said meanwhile."""
        self._said.add(word)
        try:
            os.write(self._write, b".")
        except BlockingIOError:
            return  # it is awake already

    def heard(self) -> set[str]:
        """What was said since the last time."""
        try:
            while os.read(self._read, 4096):
                pass
        except BlockingIOError:
            pass
        said, self._said = self._said, set()
        return said
