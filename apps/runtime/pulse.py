"""The heartbeat of a run: a thread that brings what the run says from its journal into the database.

The source only ever writes to the journal, so that neither a slow database nor one that is away slows it down, and so
that a source in an event loop never touches Django's synchronous connections.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import structlog
from django.db import close_old_connections, connections

from apps.core.clock import database_now
from apps.runtime.frames import MOST
from apps.runtime.leash import Leash
from apps.runtime.models import LIVE, Runtime
from apps.runtime.shipper import Shipper
from apps.runtime.stop_requests import asked_to_stop
from apps.runtime.supervision.lease import boot_time
from collectors.toolkit.journal import Journal

log = structlog.get_logger("runtime")

PERIOD_S = 0.2
PROGRESS_S = 1.0
#: How often a run by hand shows that it is alive; nobody believes it for longer than `LEASE_S` without a sign.
SIGN_S = 4.0
#: At the end of a run, lines that the database does not take are offered again for so long.
LAST_ATTEMPTS, LAST_PAUSE_S = 15, 2.0


def as_count(value: Any) -> int:
    """What a source reports may be anything, and must keep no run from being written down."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return min(max(0, int(value)), MOST) if is_number else 0


class Progress:
    """How far a run is. Calling it is what `context.progress(...)` does; `say` writes what is new into the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.solved, self.failed = 0, 0
        self.size: int | None = None
        self.began = time.time()
        self._written: tuple[int, int, int | None] = (0, 0, None)
        self._next = 0.0

    def __call__(self, *, solved: int | None = None, failed: int | None = None, size: int | None = None) -> None:
        self.solved = self.solved if solved is None else as_count(solved)
        self.failed = self.failed if failed is None else as_count(failed)
        self.size = self.size if size is None else as_count(size)

    def say(self, *, early_s: float = 0.0) -> None:
        """Once a second at most, or `early_s` sooner; and only what has changed."""
        now = (self.solved, self.failed, self.size)
        if now == self._written or time.monotonic() < self._next - early_s:
            return
        eta, done = None, self.solved + self.failed
        if done and self.size:
            eta = time.time() + (time.time() - self.began) / done * max(0, self.size - done)
        self.journal.write("progress", {"solved": self.solved, "failed": self.failed, "size": self.size, "eta": eta})
        self._written, self._next = now, time.monotonic() + PROGRESS_S


class ProgressTeller(Progress):
    """Says the progress of a run that somebody else ships, and seals the journal.

    What is reported is said at once, or, where that would be too often, by the thread that the journal has anyway: each
    thread more is half a millisecond of a run that may be over in ten.
    """

    def __enter__(self) -> Self:
        self.journal.each_second = lambda: self.say(early_s=PROGRESS_S / 2)
        return self

    def __call__(self, *, solved: int | None = None, failed: int | None = None, size: int | None = None) -> None:
        super().__call__(solved=solved, failed=failed, size=size)
        self.say()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.each_second = None
        self.journal.close()


class Pulse(Progress):
    """Ships the journal of one run by hand, keeps its progress, and shows that it is alive.

    On leaving the block the journal is sealed and drained; `journal_complete` says whether all of it is stored.
    """

    def __init__(
        self, run: Runtime, journal: Journal, shipper: Shipper, *, on_stop_asked: Callable[[], None] | None = None
    ) -> None:
        """`on_stop_asked` is called once, from the thread, when somebody asks a run by hand to stop."""
        super().__init__(journal)
        self.run = run
        self.shipper = shipper
        self.on_stop_asked = on_stop_asked
        self.journal_complete = False
        self._is_failing = False
        self._leash = Leash() if run.app.is_exclusive else None
        self._next_sign = time.monotonic() + SIGN_S
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if self._leash is not None:
            self._leash.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leash is not None:
            self._leash.close()
        self.journal.close()
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._done.wait(PERIOD_S):
                self.say()
                self._guarded(self._ship)
            for attempt in range(LAST_ATTEMPTS):
                if attempt:
                    time.sleep(LAST_PAUSE_S)
                if self._guarded(self._drain):
                    return
        finally:
            connections.close_all()

    def _guarded(self, step: Callable[[], bool]) -> bool:
        try:
            is_done = step()
        except Exception as error:  # noqa: BLE001 - without these beats the run would be declared lost
            # The lines are safe in the journal: the run goes on, and the next beat tries again.
            close_old_connections()
            if not self._is_failing:
                log.warning("journal.not_shipped", reason=str(error).strip().partition("\n")[0])
            self._is_failing = True
            return False
        self._is_failing = False
        return is_done

    def _ship(self) -> bool:
        self.shipper.ship(self.journal.path)
        if time.monotonic() >= self._next_sign:
            begun = boot_time()
            Runtime.objects.filter(pk=self.run.pk, epoch=self.run.epoch, state__in=LIVE).update(
                heartbeat_at=database_now()
            )
            if self._leash is not None:
                self._leash.renew(begun)
            self._next_sign = time.monotonic() + SIGN_S
        if self.on_stop_asked is not None and asked_to_stop([self.run.pk]):
            on_stop_asked, self.on_stop_asked = self.on_stop_asked, None
            on_stop_asked()
        return True

    def _drain(self) -> bool:
        self.journal_complete = self.shipper.drain(self.run.pk)
        return self.journal_complete
