"""When an app is due, what is put off by jitter, and what has come due meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registry.cron import BadSchedule
from apps.registry.models import App
from apps.registry.schedules import describe_schedule, next_due_times, passed, plan_next, run_time

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def app(**values: Any) -> App:
    return App(**{"pk": 7, "is_enabled": True, "schedule": "INTERVAL", "interval_s": 60, **values})


def cron(expression: str, zone: str = "UTC", **values: Any) -> App:
    return app(schedule="CRON", cron=expression, time_zone=zone, **values)


def test_an_enabled_app_is_first_due_one_interval_from_now_in_whole_seconds() -> None:
    one = app(schedule_version=4)
    plan_next(one, now=NOON + timedelta(microseconds=700_000))
    assert one.next_due_at == one.next_run_at == NOON + 60 * SECOND
    assert one.schedule_version == 5


def test_a_cron_app_is_first_due_at_the_next_match() -> None:
    one = cron("30 2 * * *", "Europe/Berlin")
    plan_next(one, now=NOON)
    assert one.next_due_at == datetime(2026, 1, 6, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "values", [{"is_enabled": False}, {"is_on_trial": True}, {"kind": "STANDALONE"}, {"schedule": "MANUAL"}]
)
def test_what_no_clock_starts_is_due_at_no_time(values: dict[str, Any]) -> None:
    one = app(next_due_at=NOON, next_run_at=NOON, **values)
    plan_next(one, now=NOON)
    assert (one.next_due_at, one.next_run_at) == (None, None)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"interval_s": None}, "interval_s"),
        ({"schedule": "CRON", "cron": "nonsense"}, "cron"),
        ({"schedule": "CRON", "cron": "0 0 * * *", "time_zone": "Nowhere"}, "time_zone"),
    ],
)
def test_an_impossible_schedule_is_not_planned_and_names_its_field(values: dict[str, Any], named: str) -> None:
    one = app(next_due_at=NOON, **values)
    with pytest.raises(BadSchedule) as caught:
        plan_next(one, now=NOON)
    assert caught.value.field == named
    assert (one.next_due_at, one.schedule_version) == (NOON, 0)


def test_the_next_due_times_keep_the_beat_of_the_app() -> None:
    one = app(next_due_at=NOON + 13 * SECOND, next_run_at=NOON + 13 * SECOND)
    assert next_due_times(one, after=NOON, count=3) == [NOON + seconds * SECOND for seconds in (13, 73, 133)]
    # The clock is late: what has passed is not shown, and the beat stays.
    late = NOON + timedelta(minutes=10)
    assert next_due_times(one, after=late, count=2) == [late + 13 * SECOND, late + 73 * SECOND]


def test_the_next_due_times_of_a_disabled_app_are_those_it_would_have() -> None:
    assert next_due_times(cron("0 * * * *", is_enabled=False), after=NOON, count=2) == [
        NOON + timedelta(hours=1),
        NOON + timedelta(hours=2),
    ]
    assert next_due_times(app(schedule="MANUAL"), after=NOON, count=5) == []


@given(st.integers(1, 10**6), st.integers(1, 7200), st.integers(0, 86_400), st.integers(0, 10**7))
def test_jitter_never_turns_the_order_of_due_times(pk: int, interval: int, jitter: int, seconds: int) -> None:
    one = app(pk=pk, interval_s=interval, jitter_s=jitter)
    due = [NOON + seconds * SECOND + number * interval * SECOND for number in range(20)]
    runs = [run_time(one, moment) for moment in due]
    assert runs == [run_time(app(pk=pk, interval_s=interval, jitter_s=jitter), moment) for moment in due]
    assert all(timedelta(0) <= run - moment <= jitter * SECOND for run, moment in zip(runs, due, strict=True))
    assert all(run < following for run, (_, following) in zip(runs, pairwise(due), strict=False))


def test_jitter_spreads_apps_that_are_due_together() -> None:
    runs = {run_time(cron("0 3 * * *", pk=pk, jitter_s=600), NOON) for pk in range(1, 101)}
    assert len(runs) > 50


@given(st.integers(1, 500), st.integers(0, 100_000), st.integers(0, 1000))
def test_what_has_come_due_is_every_due_time_until_now_or_the_newest(interval: int, late: int, jitter: int) -> None:
    one = app(interval_s=interval, jitter_s=jitter, next_due_at=NOON, next_run_at=NOON)
    now = NOON + late * SECOND
    came = passed(one, now=now)
    due = [NOON + number * interval * SECOND for number in range(late // interval + 2)]
    expected = [due[0], *(moment for moment in due[1:] if run_time(one, moment) <= now)]
    assert came.due == expected[-101:]
    assert came.next_due == due[len(expected)]
    assert came.next_run == run_time(one, due[len(expected)])
    assert came.next_run > now


def test_a_cron_app_that_was_forgotten_for_years_is_told_its_newest_due_times() -> None:
    one = cron("* * * * *", next_due_at=NOON, next_run_at=NOON)
    now = NOON + timedelta(days=1000)
    came = passed(one, now=now)
    assert came.due == [now - timedelta(minutes=number) for number in range(100, -1, -1)]
    assert came.next_due == now + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (app(), "every minute"),
        (app(interval_s=300), "every 5 minutes"),
        (app(interval_s=90), "every 90 seconds"),
        (app(interval_s=7200), "every 2 hours"),
        (app(interval_s=86_400), "every day"),
        (cron("30 2 * * *", "Europe/Berlin"), "cron 30 2 * * * Europe/Berlin"),
        (app(schedule="MANUAL"), "by hand"),
        (app(kind="STANDALONE"), "by hand"),
    ],
)
def test_a_schedule_is_said_in_plain_words(one: App, said: str) -> None:
    assert describe_schedule(one) == said
