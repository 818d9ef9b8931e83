"""The manager: claims queued runs while it has free slots, has them supervised, and writes down what becomes of them.

Its main thread alone talks to the supervisor and claims; what waits for others has threads of its own (crew.py):

    main           claims, starts, stops; STARTING -> RUNNING                    here
    endings        drains what an ended run said, judges, ends the row           endings.py
    shipping       journals of live runs into the database                       live_shipping.py
    heartbeat      the lease of the node                                         nodes.py
    reaper         runs of machines that were lost                               reaper.py
    housekeeping   the tick when beat is silent, commands, deliveries, sinks     housekeeping.py
    doorbells      "look now" from the broker                                    doorbells.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable

import structlog
from django.db import DatabaseError, InterfaceError, connections

from apps.core.clock import shared_now
from apps.core.silence import limit_silence
from apps.runtime.charges import FREED, Charge, StartPause, Waker
from apps.runtime.claims import claim_runs
from apps.runtime.crew import Crew
from apps.runtime.doorbells import node_door
from apps.runtime.ending import end_run
from apps.runtime.endings import Ending
from apps.runtime.journals import journal_root
from apps.runtime.models import Runtime, State
from apps.runtime.nodes import Condition, end_node, register_when_possible
from apps.runtime.specs import spec_of
from apps.runtime.stop_requests import asked_to_stop
from apps.runtime.supervision import CannotStart, Ended, Event, Stage, Started, Supervisor
from apps.runtime.verdicts import PLATFORM
from apps.runtime.wakeups import Wakeups

log = structlog.get_logger("manager")
LOOK_S = 1.0
#: How often it looks for what others left on this machine.
SWEEP_S = 3.0
PAUSE_AFTER_FAILURE_S = 1.0
#: At its end: what is left is found in the journals by the manager that comes next.
LAST_ENDINGS_S = 40.0


class Manager:
    """One per machine. `run` returns the exit code when it was told to stop and everything has ended."""

    def __init__(self, *, slots: int, queues: Collection[str], is_draining_at_exit: bool = False) -> None:
        """`is_draining_at_exit`: when told to stop, let the runs finish instead of stopping them."""
        self.slots, self.queues = slots, list(queues)
        self.is_draining_at_exit = is_draining_at_exit
        self.charges: dict[str, Charge] = {}
        self.wakeups = Wakeups()
        self.stopping = self.is_hurried = self.is_lost = False
        self.waker, self.start_pause = Waker(), StartPause()
        self._next_look = self._next_sweep = self._database_from = 0.0
        self._is_away = False

    # -- From signals and other threads --------------------------------------------------------------------------------

    def stop(self) -> None:
        """Told to stop; the second time, at once. Safe in a signal handler."""
        self.is_hurried, self.stopping = self.stopping, True
        self.waker.wake("")

    def _has_ended(self, run_ids: Iterable[str]) -> None:
        self.wakeups.ring(run_ids)
        self.waker.wake(FREED)

    def _lose(self) -> None:
        self.is_lost = True
        self.waker.wake("")

    # -- Its life --------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until told to stop; then end the collectors, and what they left to do."""
        limit_silence()
        if not self._begin():
            return 0  # it was over before the database had heard of it
        try:
            while not self.stopping and not self.is_lost:
                self._step()
            self._finish_collectors()
        finally:
            is_done = self._end()
        return 0 if is_done and not self.is_lost else 1

    def _begin(self) -> bool:
        node = register_when_possible(
            slots=self.slots, queues=self.queues, is_over=lambda: self.stopping, on_failure=self._database_is_away
        )
        if node is None:
            return False
        self.node, self.supervisor = node, Supervisor(journal_root=journal_root())
        self.crew = Crew(
            node,
            queues=self.queues,
            live=lambda: set(self.charges),
            condition=lambda broker_error: Condition(len(self.charges), self.stopping, broker_error),
            on_ring=self.waker.wake,
            on_news=self.wakeups.ring,
            on_ended=self._has_ended,
            on_lost=self._lose,
        )
        self.crew.start()
        log.info("manager.started", node=self.node.pk, slots=self.slots, queues=self.queues, pid=os.getpid())
        return True

    def _step(self) -> None:
        """Wait for something to happen, and see to it."""
        pause = min(LOOK_S, max(0.0, max(self._next_look, self._database_from) - time.monotonic()))
        for event in self.supervisor.wait(pause, wake=self.waker.fileno()):
            self._heed(event)
        rung = self.waker.heard()
        if time.monotonic() < self._database_from:
            return
        try:
            self._write_down()
            self._look(rung)
            self._is_away = False
        except (DatabaseError, InterfaceError) as error:
            self._database_is_away(error)

    def _database_is_away(self, error: Exception) -> None:
        # While it is, no state changes, and the collectors go on.
        if not self._is_away:
            log.warning("manager.database_away", reason=str(error).strip().partition("\n")[0])
        self._is_away = True
        self._database_from = self._next_look = time.monotonic() + PAUSE_AFTER_FAILURE_S
        connections.close_all()

    # -- What the supervisor says --------------------------------------------------------------------------------------

    def _heed(self, event: Event) -> None:
        charge = self.charges.get(event.run_id)
        if charge is None:
            return
        match event:
            case Started():
                charge.started, charge.started_at = event, shared_now()
                self.start_pause.end()
                charge.unwritten |= charge.begun()
            case Stage():
                charge.unwritten["stop_stage"] = event.stage
            case Ended():
                del self.charges[event.run_id]
                if charge.started is None and event.report.reason == "shim_lost":
                    self.start_pause.begin()
                is_exit = self.stopping and not charge.is_asked
                ending = Ending(event.run_id, event.report, charge.begun(), is_manager_exiting=is_exit)
                self.crew.endings.add(ending)
                self._next_look = 0.0  # a slot is free

    def _write_down(self) -> None:
        for run_id, charge in list(self.charges.items()):
            if not charge.unwritten:
                continue
            if not charge.write():
                # Somebody ended it, because nothing was heard of this manager: so must its processes.
                log.warning("run.taken_away", runtime=run_id)
                self.supervisor.kill(run_id)
            self.wakeups.ring([run_id])

    # -- Looking at the rows -------------------------------------------------------------------------------------------

    def _look(self, rung: set[str]) -> None:
        now = time.monotonic()
        is_time = now >= self._next_look
        if is_time or node_door(self.node.pk) in rung:
            self._stop_what_is_to_stop()
        if now >= self._next_sweep and not self.stopping and not self.is_lost:
            self._next_sweep = now + SWEEP_S
            self._sweep()
        if is_time or rung & {*self.queues, FREED}:
            self._next_look = now + LOOK_S
            self._claim()

    def _stop_what_is_to_stop(self) -> None:
        for run_id in asked_to_stop([run_id for run_id, charge in self.charges.items() if not charge.is_asked]):
            self.charges[run_id].is_asked = True
            self.supervisor.stop(run_id)

    def _claim(self) -> None:
        while self._may_claim():
            claimed = claim_runs(node=self.node, queues=self.queues, limit=self.slots - len(self.charges))
            if not claimed:
                return
            for run in claimed:
                self._start(run)

    def _may_claim(self) -> bool:
        is_free = len(self.charges) < self.slots and not self.stopping and not self.is_lost
        heart = self.crew.heartbeat
        return is_free and self.start_pause.is_over and heart.holds_lease and not heart.is_asked_to_drain

    def _start(self, run: Runtime) -> None:
        if not self.crew.heartbeat.holds_lease:
            return  # the answer to the claim took longer than the lease; the sweep finds it if it is still ours
        self.charges[run.pk] = Charge(run)
        try:
            self.supervisor.start(spec_of(run, lease_note=self.crew.heartbeat.note.path))
        except (CannotStart, TypeError, ValueError) as error:
            del self.charges[run.pk]
            if isinstance(error, CannotStart):
                self.start_pause.begin()
            cause = f"No process could be started on {run.node}: {error}"
            end_run(run, State.CRASHED, now=shared_now(), cause=cause, error_category=PLATFORM)
            return
        log.info("run.claimed", runtime=run.pk, app=run.app.code, epoch=run.epoch)

    def _sweep(self) -> None:
        """What others left on this machine, and what this manager does not know that it owns."""
        for run in self.crew.endings.take_over(self.node, except_for=self.charges):
            self._start(run)

    # -- Its end -------------------------------------------------------------------------------------------------------

    def _finish_collectors(self) -> None:
        """No new runs. The others are stopped with their grace, or left to finish; killed if it hurries or is lost."""
        is_letting_finish = self.is_draining_at_exit and not self.is_lost
        log.info("manager.stopping", runs=len(self.charges), letting_finish=is_letting_finish)
        for run_id in [] if is_letting_finish else list(self.charges):
            self.supervisor.stop(run_id)
        is_killed = False
        while self.charges:
            if (self.is_hurried or self.is_lost) and not is_killed:
                is_killed = True
                for run_id in list(self.charges):
                    self.supervisor.kill(run_id)
            self._step()

    def _end(self) -> bool:
        """Write down the rest, and go. True when nothing is left to do."""
        is_done = self.crew.close(wait_s=5.0 if self.is_lost else LAST_ENDINGS_S)
        self.supervisor.close()
        try:
            if is_done:
                end_node(self.node, "It was lost and has stopped." if self.is_lost else "It was told to stop.")
        except DatabaseError as error:
            self._database_is_away(error)
            is_done = False
        self.wakeups.close()
        log.info("manager.stopped", node=self.node.pk, is_done=is_done)
        return is_done
