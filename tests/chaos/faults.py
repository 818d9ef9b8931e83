"""What happens to the platform: one method for each kind of fault, and what may come of it.

A fault is told which runs there are, and adds to them those that it starts.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime

from django.db import connections

from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.supervision.tree import child_pids
from tests.chaos.checks import Harm
from tests.chaos.platform import Platform, Seat, wait_until

REAPED = "The run was lost: its manager on "
CRASH = "crash of a collector seen and written down"
SHIM = "crash of a shim seen and written down"
MANAGER = "all runs of a killed manager ended"
SUSPENDED = "runs of a manager that hangs ended by another one"
DATABASE = "managers back after a restart of the database"
LINK = "next heartbeat after a fault of the network"
CLOCK = "next heartbeat of a manager whose clock jumped"


class Faults:
    """Harm to processes and to the database."""

    def __init__(self, platform: Platform, dice: random.Random, *, longest_s: float = 10.0) -> None:
        """What may last for any time lasts for `longest_s` at most, shorter than a lease."""
        self.platform, self.dice, self.longest_s = platform, dice, longest_s
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.lost_nodes: set[str] = set()
        """Nodes that were rightly ended by others."""

    # -- Killed --------------------------------------------------------------------------------------------------------

    def collector(self, run_ids: list[str]) -> Harm:
        run = self.victim(run_ids)
        assert run.pid is not None
        return self._kill(run, run.pid, CRASH)

    def shim(self, run_ids: list[str]) -> Harm:
        run = self.victim(run_ids)
        return self._kill(run, self.platform.shims(run.pk)[-1][0], SHIM)

    def forkserver(self, run_ids: list[str]) -> Harm:
        self.victim(run_ids)
        forkserver = self.platform.forkserver(self.dice.choice(self.platform.at_work))
        if forkserver is not None:
            with suppress(ProcessLookupError):
                os.kill(forkserver, signal.SIGKILL)
        return Harm()

    def shipper(self, run_ids: list[str]) -> Harm:
        """Another process ships the same journals as the managers do, and dies of it."""
        self.victim(run_ids)
        other = self.platform.manage("journal", "replay")
        time.sleep(self.dice.uniform(0.8, 1.8))
        other.kill()
        other.wait()
        return Harm()

    def manager(self, run_ids: list[str]) -> Harm:
        """The other one takes over, or the one that comes next."""
        seat = self.platform.seat_of(self.victim(run_ids))
        manager = seat.manager
        assert manager is not None
        owned = Runtime.objects.filter(owner=seat.node(), state__in=LIVE).values_list("pk", flat=True)
        lost = set(owned.all())
        manager.kill()
        begun = time.monotonic()
        # What it claimed a moment ago; the other one may take all of them over in this moment.
        lost |= set(owned.all())
        manager.wait()
        seat.manager = None
        if self.dice.random() < 0.5:
            self.platform.staff()
        wait_until(lambda: self.platform.has_ended(list(lost)), "the runs of a dead manager end")
        self.seconds[MANAGER].append(time.monotonic() - begun)
        self.platform.staff()
        return Harm(crashed=lost)

    # -- Suspended -----------------------------------------------------------------------------------------------------

    def suspended(self, run_ids: list[str]) -> Harm:
        """Shorter than a lease: nobody takes anything away."""
        self.victim(run_ids)
        manager = self.dice.choice(self.platform.at_work).manager
        assert manager is not None
        manager.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.dice.uniform(1, self.longest_s))
        finally:
            manager.send_signal(signal.SIGCONT)
        return Harm()

    def suspended_for_long(self, run_ids: list[str]) -> Harm:
        """Longer than a lease: it has lost its runs, and ends what is left of them."""
        seat, lost, begun = self.suspend(run_ids)
        return self.wake(seat, lost, begun)

    def suspend(self, run_ids: list[str]) -> tuple[Seat, set[str], float]:
        """A manager hangs from now on: its seat, its runs, and since when."""
        seat = self.platform.seat_of(self.victim(run_ids))
        assert seat.manager is not None
        node = seat.node()
        self.lost_nodes.add(node.pk)
        # In the worst moment: it holds the lock that every reaper waits for.
        seat.database.hold_after(b"runtime_mark", b"FOR NO KEY UPDATE")
        wait_until(lambda: seat.database.is_holding, "a manager reaps")
        seat.is_suspended = True
        seat.manager.send_signal(signal.SIGSTOP)
        seat.database.release()
        lost = set(Runtime.objects.filter(owner=node, state__in=LIVE).values_list("pk", flat=True))
        return seat, lost, time.monotonic()

    def wake(self, seat: Seat, lost: set[str], begun: float) -> Harm:
        """Its runs were taken from it: it wakes up, finds that out, and makes room for another one."""
        assert seat.manager is not None
        try:
            wait_until(lambda: self.platform.has_ended(list(lost)), "somebody ends the runs of a manager that hangs")
            self.seconds[SUSPENDED].append(time.monotonic() - begun)
            reaped = Runtime.objects.filter(pk__in=lost, journal_complete=False, cause__startswith=REAPED)
            assert reaped.exists(), self.picture(list(lost))
        finally:
            seat.manager.send_signal(signal.SIGCONT)
        assert seat.manager.wait(60) == 1, self.platform.said()
        seat.manager, seat.is_suspended = None, False
        self.platform.staff()
        return Harm(lost=lost)

    # -- The database --------------------------------------------------------------------------------------------------

    def database(self, run_ids: list[str]) -> Harm:
        self.victim(run_ids)
        self.platform.server.restart(self.dice.choice((signal.SIGQUIT, signal.SIGINT)))
        connections.close_all()
        self.await_heartbeats(DATABASE)
        return Harm()

    def database_hangs(self, run_ids: list[str]) -> Harm:
        """Nobody gets an answer: all its processes are suspended, even for longer than a lease."""
        self.victim(run_ids)
        connections.close_all()
        server = self.platform.server.process.pid
        pids = [server, *child_pids(server)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(self.dice.uniform(1, 2.5 * self.longest_s))
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self.await_heartbeats(DATABASE)
        return Harm()

    # -- What they need ------------------------------------------------------------------------------------------------

    def await_heartbeats(self, measure: str) -> None:
        """Every manager renews its lease again."""
        begun, since = time.monotonic(), datetime.now(UTC)
        pids = [seat.manager.pid for seat in self.platform.at_work if seat.manager]
        silent = Node.objects.filter(ended_at__isnull=True, pid__in=pids, heartbeat_at__lt=since)
        wait_until(lambda: not silent.exists(), f"the managers are back\n{self.platform.said()}")
        self.seconds[measure].append(time.monotonic() - begun)

    def victim(self, run_ids: list[str]) -> Runtime:
        """A run in the middle of its work, at a moment nobody chose."""
        time.sleep(self.dice.uniform(0, 0.5))

        def find() -> Runtime | None:
            if self.platform.has_ended(run_ids):
                run_ids.extend(self.platform.queue(each=1))
            return self.platform.busy(run_ids)

        run: Runtime = wait_until(find, f"a run works\n{self.platform.said()}")
        return run

    def picture(self, run_ids: list[str]) -> str:
        """How these runs are, for whoever reads why a test failed."""
        rows = Runtime.objects.filter(pk__in=run_ids).values("pk", "state", "cause", "pid", "owner", "stop_stage")
        return f"{list(rows)}\n{self.platform.said()}"

    def _kill(self, run: Runtime, pid: int, measure: str) -> Harm:
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        ended = Runtime.objects.filter(pk=run.pk, state=State.CRASHED)
        wait_until(ended.exists, lambda: f"the run of a killed process crashes {self.picture([run.pk])}", seconds=30)
        self.seconds[measure].append(time.monotonic() - begun)
        return Harm(crashed={run.pk})
