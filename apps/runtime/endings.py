"""The end of runs: drain what they said, judge, and make the one terminal move. A thread of the manager.

What has ended waits here until it is written down, however long the database is away: the process is gone, its slot is
free for a run of another app, and nothing is forgotten but by the death of the manager itself. Whoever comes after it
finds the same in the journals.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, OperationalError, connections, transaction

from apps.core.clock import shared_now
from apps.core.silence import limit_silence
from apps.runtime.ending import end_run
from apps.runtime.judging import NUMBERS, Circumstances, Verdict, judge
from apps.runtime.last_words import last_words, writers_are_gone
from apps.runtime.limits import limits_in_force
from apps.runtime.models import Runtime, State
from apps.runtime.next_run import obey_next_run
from apps.runtime.node_models import Node
from apps.runtime.nodes import adopt_lost_runs
from apps.runtime.process import ProcessIdentity, is_gone
from apps.runtime.shipper import Shipper
from apps.runtime.supervision.spec import ExitReport

log = structlog.get_logger("manager")

PERIOD_S = 0.25
#: So long a database that answers may refuse the last frames of a run; then it ends without them.
PATIENCE_S = 30.0
#: A supervisor whose manager died while it was starting a run has heard of that by then.
SETTLE_S = 3.0


@dataclass(slots=True)
class Ending:
    """A run whose processes are gone, or, without a report, are about to end by themselves."""

    run_id: str
    report: ExitReport | None = None
    begun: dict[str, Any] = field(default_factory=dict)
    """Values of the move to RUNNING, when the process had started."""
    is_manager_exiting: bool = False
    refused_since: float | None = None
    is_told: bool = False
    """Whether it was said that it cannot be written down yet."""
    added_at: float = field(default_factory=time.monotonic)


class Endings(threading.Thread):
    """Writes down how runs ended, in the order in which they did."""

    def __init__(self, root: Path, shipper: Shipper, wake: Callable[[Iterable[str]], None]) -> None:
        super().__init__(name="endings", daemon=True)
        self.root, self.shipper, self.wake = root, shipper, wake
        self._lock = threading.Lock()
        self._waiting: dict[str, Ending] = {}
        self._rung = threading.Event()
        self._closing = False

    def add(self, ending: Ending) -> None:
        """Have the run ended. One that is known already keeps what is known of it."""
        with self._lock:
            if ending.run_id not in self._waiting:
                self._waiting[ending.run_id] = ending
        self._rung.set()

    def take_over(self, node: Node, *, except_for: Container[str]) -> list[Runtime]:
        """See to the runs that other managers left on this machine, and to those of `node` that it does not know of.

        Returns runs that `node` claimed without getting the answer: they are to be started. Raises `DatabaseError`.
        """
        for run_id in adopt_lost_runs(node):
            self.add(Ending(run_id))
        # Asked before the rows are: a run that is written down meanwhile would look like one that nobody knows of.
        unknown, known = [], self.run_ids()
        for run in Runtime.objects.live().filter(owner=node).select_related("app"):
            if run.pk in except_for or run.pk in known:
                continue
            if run.state == State.STARTING and run.pid is None:
                unknown.append(run)
            else:
                self.add(Ending(run.pk))
        return unknown

    def run_ids(self) -> set[str]:
        """The runs that are not written down yet."""
        with self._lock:
            return set(self._waiting)

    def close(self, *, wait_s: float) -> bool:
        """Write down what is left, at most for so long. True when nothing is left."""
        self._closing = True
        self._rung.set()
        if self.is_alive():
            self.join(wait_s)
        return not self.run_ids()

    def run(self) -> None:
        """Until closed and done."""
        limit_silence()
        try:
            while not (self._closing and not self.run_ids()):
                self._rung.wait(PERIOD_S if self.run_ids() else 1.0)
                self._rung.clear()
                with self._lock:
                    waiting = list(self._waiting.values())
                for ending in waiting:
                    if self._guarded(ending):
                        with self._lock:
                            del self._waiting[ending.run_id]
        finally:
            connections.close_all()

    def _guarded(self, ending: Ending) -> bool:
        try:
            return self.write_down(ending, now=shared_now())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one run, the others end
            if not ending.is_told:
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                log.warning("run.not_ended_yet", runtime=ending.run_id, reason=reason)
            ending.is_told = True
            connections.close_all()
            return False

    def write_down(self, ending: Ending, *, now: datetime) -> bool:
        """End the run if that can be done now. True when nothing is left to do. Raises `DatabaseError`."""
        run = Runtime.objects.select_related("app").filter(pk=ending.run_id).first()
        if run is None:
            return True
        if ending.report is None and not run.has_ended and not self._is_over(run, ending):
            return False
        is_complete = self.drain(run.pk)
        if not is_complete and not run.has_ended and not self._out_of_patience(ending):
            return False
        if not run.has_ended:
            self._end(run, ending, now=now, is_complete=is_complete)
        self.wake([run.pk])
        self.shipper.forget(run.pk)
        return True

    def _is_over(self, run: Runtime, ending: Ending) -> bool:
        """A run of a lost manager: its supervisor ends it without us."""
        process = ProcessIdentity(run.node, run.boot_id, run.pid or 0, run.pid_started or 0)
        if run.pid is None and time.monotonic() - ending.added_at < SETTLE_S:
            # It may just be starting, and have written nothing yet.
            return False
        return (run.pid is None or is_gone(process)) and writers_are_gone(self.root, run.pk)

    def drain(self, run_id: str) -> bool:
        """Ship the rest of what a run said; whether nothing can follow. `OperationalError`: the database is away."""
        try:
            return self.shipper.drain(run_id)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - what cannot be shipped must not keep its run from ending
            log.warning("journal.not_shipped", runtime=run_id, reason=str(error).strip().partition("\n")[0])
            return False

    def _out_of_patience(self, ending: Ending) -> bool:
        """Counts only while the database answers: each time it does not, `DatabaseError` leads around this."""
        now = time.monotonic()
        if ending.refused_since is None:
            ending.refused_since = now
        return now - ending.refused_since > PATIENCE_S

    def _end(self, run: Runtime, ending: Ending, *, now: datetime, is_complete: bool) -> None:
        words, limits = last_words(self.root, run.pk), limits_in_force(run)
        about = Circumstances(
            stop_grace_s=limits.get("stop_grace_s") or run.app.stop_grace_s,
            time_limit_s=limits.get("time_limit_s"),
            has_begun=run.started_at is not None or bool(ending.begun),
            is_manager_exiting=ending.is_manager_exiting,
        )
        verdict = judge(words.end, ending.report or words.report, about)
        if run.state == State.STARTING and verdict.state == State.SUCCEEDED:
            # It was over before anybody had time to write that it had begun.
            run.move(State.RUNNING, **(ending.begun or {"started_at": now}))
        values = {**verdict.values, "journal_complete": is_complete}
        if run.started_at is None:
            values |= ending.begun
        try:
            is_ended = self._move(run, verdict, values, words.end or {}, now=now)
        except (DataError, IntegrityError, ValidationError, TypeError, ValueError, OverflowError) as error:
            # A source may report any number; the run ends all the same.
            log.warning("run.numbers_refused", runtime=run.pk, reason=str(error).strip().partition("\n")[0])
            refused = NUMBERS - {"error_category"}
            values = {name: value for name, value in values.items() if name not in refused}
            is_ended = self._move(run, verdict, values, {}, now=now)
        if is_ended:
            log.info("run.ended", runtime=run.pk, app=run.app.code, state=str(verdict.state), cause=verdict.cause)

    def _move(
        self, run: Runtime, verdict: Verdict, values: dict[str, Any], said: Mapping[str, Any], *, now: datetime
    ) -> bool:
        with transaction.atomic():
            is_ended = end_run(run, verdict.state, now=now, cause=verdict.cause, **values)
            if is_ended:
                obey_next_run(run, said, now=now)
        return is_ended
