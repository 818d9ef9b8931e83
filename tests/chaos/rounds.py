"""A round: runs work, something happens to the platform, and everything is as it should be afterwards."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from apps.runtime.models import Runtime
from tests.chaos.checks import Harm, assert_quiet
from tests.chaos.faults_of_rows import AllFaults
from tests.chaos.platform import Platform

#: Each is a method of `AllFaults`.
KINDS = (
    # Killed.
    "collector",
    "shim",
    "forkserver",
    "shipper",
    "manager",
    "web",
    "timers",
    # Suspended.
    "suspended",
    "suspended_for_long",
    # The database, and the way to it and to the brokers.
    "database",
    "database_hangs",
    "delayed",
    "cut",
    "reset",
    "half_closed",
    "held",
    "unanswered",
    # Brokers.
    "rabbitmq",
    "valkey",
    # Time, pids, messages.
    "clock_ahead",
    "clock_behind",
    "strangers",
    "reused_pid",
    "repeated",
)


def play(
    platform: Platform,
    faults: AllFaults,
    kinds: Sequence[str],
    *,
    each: int = 1,
    waits_for: Collection[str] = (),
) -> str:
    """So many runs of each app, these faults one after the other, the check. What happened, in a line."""
    run_ids, harm = platform.queue(each=each), Harm()
    for kind in kinds:
        harm.add(getattr(faults, kind)(run_ids))
    assert_quiet(platform, run_ids, harm, waits_for=waits_for)
    causes = Runtime.objects.filter(pk__in=harm.crashed | harm.lost).values_list("cause", flat=True)
    return f"{len(run_ids)} runs, {list(causes)}"


def shuffled(dice: random.Random, rounds: int) -> list[str]:
    """That many kinds in any order, each as often as the others."""
    found: list[str] = []
    while len(found) < rounds:
        found += dice.sample(KINDS, len(KINDS))
    return found[:rounds]
