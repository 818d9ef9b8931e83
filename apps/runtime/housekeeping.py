"""What has to be done every second or every day, whoever does it. A thread of every manager.

Each job can be done by any number of managers at once, and none waits for another: one that fails is tried again at its
next turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from django.db import connections

from apps.core.clock import database_now, shared_now
from apps.core.silence import BULK_PATIENCE_S, limit_silence
from apps.logs.indexing import index_chunks
from apps.logs.router import RouterHandler, configured_router
from apps.runtime import marks, vital_signs
from apps.runtime.captcha_messages import tell_low_balances
from apps.runtime.claims import Drain, end_lost_runs
from apps.runtime.days import count_days
from apps.runtime.queue_upkeep import remove_expired
from apps.runtime.scheduling import request_due_runs
from apps.runtime.stop_requests import settle_commands
from apps.runtime.sweep_journals import sweep_journals

log = structlog.get_logger("manager")

PERIOD_S = 1.0
#: The clock is silent when nobody ticked for so long.
SILENT_CLOCK = timedelta(seconds=3)
INDEX_SLICE_S = 0.2
DAY_S = 86_400.0


def tick() -> None:
    """The scheduling tick: queue what is due, and note that somebody looked."""
    now = database_now()
    request_due_runs(now=now)
    marks.stamp("clock", now=now)


def tick_if_nobody_does() -> None:
    """Be the clock while beat, broker or worker are away."""
    if marks.is_older("clock", SILENT_CLOCK, now=database_now()):
        tick()


@dataclass(slots=True)
class Job:
    """Something to do from time to time."""

    name: str
    do: Callable[[], object]
    every_s: float = PERIOD_S
    next_at: float = 0.0
    is_failing: bool = False


class Housekeeping(threading.Thread):
    """Does its jobs in turn. With `sinks_of` it runs the sinks of the journals there, in threads of their own."""

    def __init__(self, jobs: Sequence[Job], *, sinks_of: Path | None = None) -> None:
        super().__init__(name="housekeeping", daemon=True)
        self.jobs, self.sinks_of = jobs, sinks_of
        self._closing = threading.Event()

    def run(self) -> None:
        """Until closed."""
        limit_silence(BULK_PATIENCE_S)
        router = self._start_sinks()
        try:
            while not self._closing.is_set():
                self.step()
                self._closing.wait(PERIOD_S)
        finally:
            if router is not None:
                router.close()
            connections.close_all()

    def _start_sinks(self) -> RouterHandler | None:
        if self.sinks_of is None:
            return None
        try:
            router = configured_router(self.sinks_of)
            router.start()
        except Exception:
            # Something is wrong with their settings: that stops neither the clock nor the commands.
            log.exception("sinks.not_started")
            return None
        return router

    def step(self) -> None:
        """Every job whose turn has come."""
        for job in self.jobs:
            if time.monotonic() < job.next_at or self._closing.is_set():
                continue
            job.next_at = time.monotonic() + job.every_s
            try:
                job.do()
                job.is_failing = False
            except Exception as error:
                # Said once: a database that is away is away for every job, every second.
                if not job.is_failing:
                    log.exception("job.failed", job=job.name, reason=str(error).strip().partition("\n")[0])
                job.is_failing = True
                connections.close_all()

    def close(self) -> None:
        """Begin nothing more."""
        self._closing.set()
        if self.is_alive():
            self.join(10)


def end_runs_by_hand(drain: Drain) -> None:
    """End the runs by hand of this machine whose process is gone."""
    for run in end_lost_runs(now=shared_now(), drain=drain):
        log.warning("run.lost", runtime=run.pk, app=run.app.code)


def usual_jobs(root: Path, drain: Drain) -> list[Job]:
    """What a manager looks after besides its own runs."""
    return [
        Job("tick", tick_if_nobody_does),
        Job("runs by hand", lambda: end_runs_by_hand(drain), every_s=3.0),
        Job("commands", lambda: settle_commands(now=shared_now())),
        Job("sign of life", lambda: vital_signs.beat("manager")),
        Job("log index", lambda: index_chunks(INDEX_SLICE_S), every_s=10.0),
        Job("balances", lambda: tell_low_balances(now=shared_now()), every_s=60.0),
        Job("days", lambda: count_days(now=shared_now()), every_s=60.0),
        Job("item queues", lambda: remove_expired(now=database_now()), every_s=600.0),
        # Not at once: a manager that is started again and again has better things to do.
        Job("journals", lambda: sweep_journals(root, now=shared_now()), every_s=DAY_S, next_at=time.monotonic() + 600),
    ]
