"""Who is declared dead, and who is not, on a real database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from apps.core.clock import database_now
from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Mark, Node
from apps.runtime.nodes import LEASE
from apps.runtime.reaper import Reaper, reap
from tests.integration.factories import make_app, make_node, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

SECOND = timedelta(seconds=1)


def tick_until(now: datetime, *, seconds: int) -> list[Runtime]:
    """A reaper that ticks every second; what it ended."""
    return [run for step in range(1, seconds + 1) for run in reap(now=now + step * SECOND)]


@pytest.fixture
def now() -> datetime:
    """A moment at which somebody has been reaping for long."""
    moment = database_now()
    Mark.objects.create(name="reaper", at=moment)
    return moment


def test_a_manager_that_is_not_heard_of_is_ended_with_its_runs(now: datetime) -> None:
    node = make_node(host="elsewhere", lease_until=now + LEASE)
    run = make_run(make_app(), State.RUNNING, owner=node, node="elsewhere")
    assert tick_until(now, seconds=16) == []
    assert [lost.pk for lost in tick_until(now + 16 * SECOND, seconds=2)] == [run.pk]
    run.refresh_from_db()
    node.refresh_from_db()
    assert (run.state, run.journal_complete, run.error_category) == (State.CRASHED, False, "platform")
    assert run.cause == "The run was lost: its manager on elsewhere is gone."
    assert node.ended_at is not None
    assert node.end_cause == "It was not heard of for 17 s."


def test_after_a_pause_nobody_is_declared_dead_for_the_length_of_a_lease(now: datetime) -> None:
    node = make_node(lease_until=now + LEASE)
    make_run(make_app(), State.RUNNING, owner=node)
    # The database was away for an hour, and nobody could renew a lease.
    later = now + timedelta(hours=1)
    assert tick_until(later, seconds=16) == []
    Node.objects.update(lease_until=later + 2 * LEASE)
    assert tick_until(later + 16 * SECOND, seconds=10) == []
    assert Runtime.objects.get().state == State.RUNNING


def test_who_never_comes_back_after_the_pause_is_ended_all_the_same(now: datetime) -> None:
    run = make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now))
    later = now + timedelta(hours=1)
    assert [lost.pk for lost in tick_until(later, seconds=20)] == [run.pk]


def test_the_first_reaper_of_all_waits(now: datetime) -> None:
    Mark.objects.all().delete()
    make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now - LEASE))
    assert tick_until(now, seconds=15) == []
    assert len(tick_until(now + 15 * SECOND, seconds=5)) == 1


def test_a_clock_that_jumps_back_declares_nobody_dead(now: datetime) -> None:
    make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now - 10 * LEASE))
    assert reap(now=now - timedelta(hours=2)) == []


def test_two_reapers_in_the_same_second_are_one(now: datetime) -> None:
    make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now - LEASE))
    assert len(reap(now=now + SECOND)) == 1
    make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now - LEASE))
    assert reap(now=now + 1.2 * SECOND) == []
    assert len(reap(now=now + 2 * SECOND)) == 1


def test_a_reaper_that_comes_a_moment_late_does_not_take_the_other_for_a_clock_turned_back(now: datetime) -> None:
    Mark.objects.filter(pk="reaper").update(at=now + 1.01 * SECOND)
    make_run(make_app(), State.RUNNING, owner=make_node(lease_until=now - LEASE))
    assert reap(now=now + SECOND) == []
    assert len(reap(now=now + 2 * SECOND)) == 1


@pytest.mark.parametrize(
    "values",
    [
        lambda now: {"owner": make_node(ended_at=now, lease_until=now)},
        lambda now: {"owner": None, "started_at": now - 2 * LEASE},
        lambda now: {"owner": None, "node": "elsewhere", "heartbeat_at": now - 2 * LEASE, "pid": 5, "pid_started": 5},
    ],
    ids=["its manager has ended", "its manager is deleted", "by hand, elsewhere, unheard of"],
)
def test_a_run_that_nobody_answers_for_is_ended(now: datetime, values: Callable[[datetime], dict[str, object]]) -> None:
    run = make_run(make_app(), State.STOPPING, **values(now))
    assert [lost.pk for lost in reap(now=now + SECOND)] == [run.pk]


@pytest.mark.parametrize(
    "values",
    [
        lambda now: {"owner": make_node()},
        lambda now: {"owner": None, "node": "elsewhere", "heartbeat_at": now, "pid": 5, "pid_started": 5},
        lambda now: {"owner": None, "node": make_node().host, "heartbeat_at": now - 2 * LEASE, "pid": 5},
        lambda now: {"owner": None, "started_at": now},
    ],
    ids=["its manager lives", "by hand, elsewhere", "by hand, here: its process decides", "just begun"],
)
def test_a_run_that_somebody_answers_for_goes_on(
    now: datetime, values: Callable[[datetime], dict[str, object]]
) -> None:
    make_run(make_app(), State.RUNNING, **values(now))
    assert reap(now=now + SECOND) == []


def test_it_reaps_by_itself_once_a_second(now: datetime) -> None:
    run = make_run(make_app(), State.RUNNING, owner=make_node(ended_at=now))
    reaper = Reaper()
    reaper.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not Runtime.objects.filter(pk=run.pk, state=State.CRASHED).exists():
        time.sleep(0.1)
    reaper.close()
    assert not reaper.is_alive()
    assert Runtime.objects.get(pk=run.pk).state == State.CRASHED
