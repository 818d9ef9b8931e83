"""Whatever dies, and whenever: every run ends once, nothing of it lives on, and no line is lost or there twice.

`DC_TEST_CHAOS_ROUNDS` says how many faults there are, `DC_TEST_CHAOS_SEED` repeats the faults of an earlier time.
"""

from __future__ import annotations

import math
import os
import random
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connections

from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.node_models import Node
from benchmarks.report import Figure, publish
from tests.chaos.platform import Platform, platform_on_its_own_server, wait_until

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ROUNDS = int(os.environ.get("DC_TEST_CHAOS_ROUNDS", "10"))
SEED = int(os.environ.get("DC_TEST_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
KINDS = ("collector", "shim", "forkserver", "manager", "suspended", "database")
#: What is timed -> seconds it may take. Only `PATIENCE` times as much is a failure: others use the machine as well.
LIMITS = {
    "crash of a collector seen and written down": 1.0,
    "crash of a shim seen and written down": 1.0,
    "all runs of a killed manager ended": 25.0,
    "managers back after a restart of the database": 5.0,
}
CRASH, SHIM, MANAGER, DATABASE = LIMITS
PATIENCE = 3


class Faults:
    """Each method does its harm and returns the runs that may have crashed because of it."""

    def __init__(self, platform: Platform, dice: random.Random) -> None:
        self.platform, self.dice = platform, dice
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def collector(self, run_ids: list[str]) -> set[str]:
        run = self._victim(run_ids)
        assert run.pid is not None
        return self._kill(run, run.pid, CRASH)

    def shim(self, run_ids: list[str]) -> set[str]:
        run = self._victim(run_ids)
        return self._kill(run, self.platform.processes(run.pk)[1], SHIM)

    def forkserver(self, run_ids: list[str]) -> set[str]:
        self._victim(run_ids)
        forkserver = self.platform.forkserver(self.dice.choice(self.platform.managers))
        if forkserver is not None:
            with suppress(ProcessLookupError):
                os.kill(forkserver, signal.SIGKILL)
        return set()

    def manager(self, run_ids: list[str]) -> set[str]:
        """There is another one, and a new one comes soon."""
        node = Node.objects.get(pk=self._victim(run_ids).owner_id)
        [manager] = [manager for manager in self.platform.managers if manager.pid == node.pid]
        owned = Runtime.objects.filter(owner=node, state__in=LIVE).values_list("pk", flat=True)
        lost = set(owned.all())
        manager.kill()
        begun = time.monotonic()
        # What it claimed a moment ago; the other one may take all of them over in this moment.
        lost |= set(owned.all())
        manager.wait()
        self.platform.managers.remove(manager)
        if self.dice.random() < 0.5:
            self.platform.start_manager()
        wait_until(lambda: self.platform.has_ended(list(lost)), "the runs of a dead manager end")
        self.seconds[MANAGER].append(time.monotonic() - begun)
        while len(self.platform.managers) < 2:
            self.platform.start_manager()
        return lost

    def suspended(self, run_ids: list[str]) -> set[str]:
        """Shorter than a lease: nobody takes anything away."""
        self._victim(run_ids)
        manager = self.dice.choice(self.platform.managers)
        manager.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.dice.uniform(2, 10))
        finally:
            manager.send_signal(signal.SIGCONT)
        return set()

    def database(self, run_ids: list[str]) -> set[str]:
        self._victim(run_ids)
        self.platform.server.restart(signal.SIGQUIT)
        connections.close_all()
        begun, accepting = time.monotonic(), datetime.now(UTC)
        silent = Node.objects.filter(ended_at__isnull=True, heartbeat_at__lt=accepting)
        wait_until(lambda: not silent.exists(), "the managers are back")
        self.seconds[DATABASE].append(time.monotonic() - begun)
        return set()

    def _victim(self, run_ids: list[str]) -> Runtime:
        """A run in the middle of its work, at a moment nobody chose."""
        time.sleep(self.dice.uniform(0, 0.5))
        run: Runtime = wait_until(lambda: self.platform.busy(run_ids), f"a run works\n{self.platform.said()}")
        return run

    def _kill(self, run: Runtime, pid: int, measure: str) -> set[str]:
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        wait_until(lambda: self.platform.has_ended([run.pk]), "the run of a killed process ends")
        self.seconds[measure].append(time.monotonic() - begun)
        return {run.pk}


def kinds(dice: random.Random) -> Iterable[str]:
    """In any order, and each as often as the others."""
    for first in range(0, ROUNDS, len(KINDS)):
        yield from dice.sample(KINDS, len(KINDS))[: ROUNDS - first]


def figures(seconds: dict[str, list[float]]) -> list[Figure]:
    """What was timed: the median, and the worst of a hundred beside it."""
    found = []
    for measure, limit in LIMITS.items():
        times = sorted(seconds[measure])
        if times:
            p99 = times[math.ceil(0.99 * len(times)) - 1]
            found.append(
                Figure(
                    measure=measure,
                    ours=round(statistics.median(times), 3),
                    unit="s",
                    target=f"p99 <= {limit:g} s",
                    ok=p99 <= limit,
                    n=len(times),
                    command="make chaos",
                    peers={"p99": round(p99, 3)},
                )
            )
    return found


def test_whatever_dies_every_run_ends_once_and_no_line_is_lost(tmp_path: Path) -> None:
    print(f"DC_TEST_CHAOS_SEED={SEED}")
    dice, happened = random.Random(SEED), []
    with platform_on_its_own_server(tmp_path, ("one", "two", "three")) as platform:
        faults = Faults(platform, dice)
        for _ in range(2):
            platform.start_manager()
        for number, kind in enumerate(kinds(dice)):
            run_ids = platform.queue(each=2)
            victims = getattr(faults, kind)(run_ids)
            platform.assert_quiet(run_ids)
            unharmed = {run.pk: run for run in Runtime.objects.filter(pk__in=run_ids).exclude(state=State.CRASHED)}
            failed = {run_id: run.cause for run_id, run in unharmed.items() if run.state != State.SUCCEEDED}
            assert not failed, f"{kind} (round {number}, seed {SEED}): {failed}"
            crashed = set(run_ids) - unharmed.keys()
            causes = list(Runtime.objects.filter(pk__in=crashed).values_list("pk", "cause"))
            assert crashed <= victims, f"{kind} (round {number}, seed {SEED}): {causes}"
            assert bool(crashed) == bool(victims), f"{kind} (round {number}, seed {SEED}): nobody was hurt"
            happened.append(kind)
            print(f"{number} {kind}: {len(run_ids)} runs, {causes}")
        # Nobody was taken for dead, or for alive, who was not.
        assert Node.objects.filter(ended_at__isnull=False).exclude(end_cause="Its process is gone.").count() == 0
        codes = platform.close()
    publish("chaos", figures(faults.seconds))
    assert codes == [0, 0], platform.said()
    for measure, limit in LIMITS.items():
        assert max(faults.seconds[measure], default=0.0) <= PATIENCE * limit, f"{measure} (seed {SEED})"
