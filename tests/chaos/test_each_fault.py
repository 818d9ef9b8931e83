"""Every kind of fault once, on one platform: the part of the chaos suite that `make test` runs.

Faults of a group hit the same runs; after each group everything is checked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chaos.checks import assert_managers_are_well, assert_quiet
from tests.chaos.faults_of_rows import AllFaults
from tests.chaos.platform import Platform, platform_of_its_own
from tests.chaos.rounds import KINDS, play

SEED = 20
#: While one manager is suspended for longer than its lease, these happen to the other one.
MEANWHILE = ("repeated", "strangers", "web", "timers")
GROUPS = (
    ("collector", "shim", "forkserver", "shipper"),
    ("delayed", "cut", "unanswered", "reset", "half_closed", "held"),
    ("valkey", "rabbitmq"),
    ("manager", "reused_pid", "suspended"),
    ("clock_ahead", "clock_behind"),
    ("database", "database_hangs"),
)


@pytest.fixture(scope="module")
def platform(own_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_of_its_own(tmp_path_factory.mktemp("chaos")) as platform:
        yield platform


@pytest.fixture(scope="module")
def faults(platform: Platform) -> AllFaults:
    return AllFaults(platform, random.Random(SEED), longest_s=2.0)


def test_each_kind_has_its_turn() -> None:
    happened = [kind for group in (*GROUPS, MEANWHILE, ("suspended_for_long",)) for kind in group]
    assert sorted(happened) == sorted(KINDS)


@pytest.mark.parametrize("kinds", GROUPS, ids=" and ".join)
def test_whatever_happens_every_run_ends_once_and_no_line_is_lost(
    platform: Platform, faults: AllFaults, kinds: tuple[str, ...]
) -> None:
    play(platform, faults, kinds)


def test_a_manager_that_hangs_for_longer_than_its_lease_has_lost_its_runs(
    platform: Platform, faults: AllFaults
) -> None:
    run_ids = platform.queue(each=2)
    seat, lost, begun = faults.suspend(run_ids)
    play(platform, faults, MEANWHILE, waits_for=run_ids)
    assert_quiet(platform, run_ids, faults.wake(seat, lost, begun))


def test_in_the_end_nobody_was_taken_for_dead_and_everybody_goes_in_order(
    platform: Platform, faults: AllFaults
) -> None:
    assert_managers_are_well(platform, faults.lost_nodes)
    assert platform.close() == [0, 0], platform.said()
