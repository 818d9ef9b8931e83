"""The tick: what is due is queued once, by the policies of each app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.clock import database_now, utc_now
from apps.registry.models import App
from apps.registry.schedules import run_time
from apps.runtime import scheduling
from apps.runtime.models import Command, Runtime, State
from apps.runtime.scheduling import next_due_times, request_due_runs, set_next_run
from apps.runtime.services import issue_command
from tests.integration.factories import BOOKS, make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def due_app(code: str = BOOKS, *, at: datetime = NOON, **values: Any) -> App:
    """An app with a beat of a minute that is due at `at`."""
    schedule = {"schedule": App.Schedule.INTERVAL, "interval_s": 60, "next_due_at": at, "next_run_at": at}
    return make_app(code, **{"is_enabled": True, **schedule, **values})


def due_times(app: App, state: State = State.QUEUED) -> list[datetime | None]:
    return list(Runtime.objects.filter(app=app, state=state).order_by("due_at").values_list("due_at", flat=True))


def skipped(app: App) -> list[str]:
    return list(Runtime.objects.filter(app=app, state=State.SKIPPED).order_by("due_at").values_list("cause", flat=True))


def next_of(app: App) -> datetime | None:
    app.refresh_from_db()
    return app.next_due_at


# -- One app --------------------------------------------------------------------------------------------------------


def test_a_due_app_is_queued_on_its_queue_and_its_due_time_moves_on() -> None:
    app = due_app(queue="big")
    (run,) = request_due_runs(now=NOON + SECOND / 2)
    assert (run.app, run.trigger, run.state, run.due_at, run.queue) == (app, "SCHEDULE", "QUEUED", NOON, "big")
    assert due_times(app) == [NOON]
    assert next_of(app) == app.next_run_at == NOON + MINUTE
    assert request_due_runs(now=NOON + SECOND) == []


def test_nothing_is_due_before_its_time() -> None:
    due_app()
    assert request_due_runs(now=NOON - SECOND) == []


def test_a_late_tick_keeps_the_beat_of_the_app() -> None:
    app = due_app()
    request_due_runs(now=NOON + 59 * SECOND)
    assert next_of(app) == NOON + MINUTE


def test_a_cron_app_goes_on_to_its_next_match() -> None:
    app = due_app(
        schedule=App.Schedule.CRON, cron="0 12 * * *", time_zone="Europe/Berlin", at=NOON - timedelta(hours=1)
    )
    assert len(request_due_runs(now=NOON)) == 1
    assert next_of(app) == NOON + timedelta(hours=23)


def test_the_clock_acts_after_the_jitter_and_the_run_is_due_for_the_time_before_it() -> None:
    app = due_app(interval_s=86_400, jitter_s=80_000, overlap=App.Overlap.QUEUE)
    request_due_runs(now=NOON)
    tomorrow = NOON + timedelta(days=1)
    app.refresh_from_db()
    assert (app.next_due_at, app.next_run_at) == (tomorrow, run_time(app, tomorrow))
    assert app.next_run_at is not None
    assert request_due_runs(now=app.next_run_at - SECOND) == []
    (run,) = request_due_runs(now=app.next_run_at)
    assert run.due_at == tomorrow


@pytest.mark.parametrize("values", [{"is_enabled": False}, {"kind": App.Kind.STANDALONE}])
def test_what_no_clock_starts_is_left_alone(values: dict[str, Any]) -> None:
    app = due_app(**values)
    assert request_due_runs(now=NOON) == []
    assert not Runtime.objects.exists()
    assert request_due_runs(now=NOON + timedelta(days=1)) == []
    assert app.pk


def test_a_run_that_was_asked_for_once_ends_the_schedule_of_an_app_without_one() -> None:
    app = due_app(schedule=App.Schedule.MANUAL)
    assert len(request_due_runs(now=NOON)) == 1
    assert (next_of(app), app.next_run_at) == (None, None)


def test_the_first_run_of_an_app_on_trial_is_a_trial() -> None:
    due_app(is_on_trial=True)
    assert [run.is_trial for run in request_due_runs(now=NOON)] == [True]


# -- Missed due times -----------------------------------------------------------------------------------------------


def test_once_runs_for_the_newest_due_time_that_was_missed() -> None:
    app = due_app(missed=App.Missed.ONCE)
    request_due_runs(now=NOON + 10 * MINUTE + SECOND)
    assert due_times(app) == [NOON + 10 * MINUTE]
    assert skipped(app) == []
    assert next_of(app) == NOON + 11 * MINUTE


def test_none_forgets_what_was_missed_and_says_so_in_one_row() -> None:
    app = due_app(missed=App.Missed.NONE, schedule=App.Schedule.INTERVAL, interval_s=600)
    assert request_due_runs(now=NOON + 25 * MINUTE) == []
    assert skipped(app) == ["3 due times passed while no clock looked; the app forgets them."]
    assert due_times(app, State.SKIPPED) == [NOON + 20 * MINUTE]
    assert next_of(app) == NOON + 30 * MINUTE


def test_none_still_runs_what_is_only_late() -> None:
    app = due_app(missed=App.Missed.NONE)
    request_due_runs(now=NOON + 2 * MINUTE + 5 * SECOND)
    assert due_times(app) == [NOON + 2 * MINUTE]
    assert skipped(app) == ["2 due times passed while no clock looked; the app forgets them."]


def test_all_runs_each_and_the_runs_of_one_tick_do_not_overlap_each_other() -> None:
    app = due_app(missed=App.Missed.ALL)
    request_due_runs(now=NOON + 3 * MINUTE)
    assert due_times(app) == [NOON + number * MINUTE for number in range(4)]


def test_all_stops_at_a_hundred_and_says_that_there_were_more() -> None:
    app = due_app(missed=App.Missed.ALL)
    now = NOON + timedelta(days=30)
    request_due_runs(now=now)
    assert due_times(app) == [now - number * MINUTE for number in range(99, -1, -1)]
    assert skipped(app) == ["More than 100 due times passed while no clock looked; at most 100 are made up for."]
    assert next_of(app) == now + MINUTE


# -- Overlap --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.QUEUED, State.STARTING, State.RUNNING, State.STOPPING])
def test_skip_skips_a_run_while_another_is_queued_or_live_and_says_which(state: State) -> None:
    app = due_app()
    other = make_run(app, state)
    assert request_due_runs(now=NOON) == []
    assert skipped(app) == [f"Skipped: another run of the app ({other.pk}) was still queued or live."]
    assert due_times(app, State.SKIPPED) == [NOON]
    assert next_of(app) == NOON + MINUTE


def test_skip_lets_as_many_run_as_the_app_has_places() -> None:
    app = due_app(max_parallel=2)
    make_run(app, State.RUNNING)
    assert len(request_due_runs(now=NOON)) == 1
    assert request_due_runs(now=NOON + MINUTE) == []


def test_queue_lets_the_run_wait_and_no_more_than_a_hundred() -> None:
    app = due_app(overlap=App.Overlap.QUEUE)
    make_run(app, State.RUNNING)
    for number in range(101):
        request_due_runs(now=NOON + number * MINUTE)
    assert len(due_times(app)) == 99
    assert skipped(app) == ["Skipped: 100 runs of the app were waiting already."] * 2


def test_replace_asks_the_live_run_to_stop_and_queues_the_new_one() -> None:
    app = due_app(overlap=App.Overlap.REPLACE)
    live = make_run(app, State.RUNNING)
    (run,) = request_due_runs(now=NOON)
    live.refresh_from_db()
    assert live.state == State.STOPPING
    command = Command.objects.get()
    assert (command.verb, command.source, command.runtime) == ("STOP", "PLATFORM", live)
    assert due_times(app) == [run.due_at] == [NOON]


def test_replace_cancels_a_run_that_has_not_begun() -> None:
    app = due_app(overlap=App.Overlap.REPLACE, missed=App.Missed.ALL)
    request_due_runs(now=NOON)
    request_due_runs(now=NOON + 3 * MINUTE)
    assert due_times(app, State.CANCELLED) == [NOON]
    assert due_times(app) == [NOON + 3 * MINUTE]


# -- Odd apps -------------------------------------------------------------------------------------------------------


def test_replace_leaves_what_a_person_has_asked_for_and_waits_behind_it() -> None:
    app = due_app(overlap=App.Overlap.REPLACE)
    started = issue_command(app, Command.Verb.START, source=Command.Source.ADMIN, deadline_at=utc_now() + MINUTE)
    request_due_runs(now=NOON)
    request_due_runs(now=NOON + MINUTE)
    started.refresh_from_db()
    assert (started.state, started.runtime.state) == (Command.Progress.PENDING, State.QUEUED)  # type: ignore[union-attr]
    # What the clock itself had queued is replaced, so that no more than one waits behind it.
    assert due_times(app, State.CANCELLED) == [NOON]
    assert set(due_times(app)) == {None, NOON + MINUTE}


@pytest.mark.parametrize(
    "values",
    [
        {"schedule": App.Schedule.CRON, "cron": "nonsense"},
        {"schedule": App.Schedule.CRON, "cron": "0 0 * * *", "time_zone": "Mars/Olympus"},
    ],
)
def test_an_app_whose_schedule_cannot_be_followed_is_disabled_and_the_others_run(values: dict[str, Any]) -> None:
    odd, other = due_app(**values), due_app("a.b.other")
    assert [run.app for run in request_due_runs(now=NOON)] == [other]
    odd.refresh_from_db()
    assert (odd.is_enabled, odd.next_run_at, odd.fatal, odd.fatal_at) == (False, None, "BLOCKED", NOON)
    assert odd.fatal_reason.startswith("Its schedule cannot be followed: ")


def test_a_due_time_that_has_its_run_already_is_not_run_again_and_moves_on() -> None:
    app = due_app()
    make_run(app, State.SUCCEEDED, trigger=Runtime.Trigger.SCHEDULE, due_at=NOON)
    assert request_due_runs(now=NOON) == []
    assert due_times(app) == []
    assert next_of(app) == NOON + MINUTE


def test_the_database_itself_refuses_a_second_run_for_one_due_time() -> None:
    app = make_app()
    make_run(app, State.SUCCEEDED, trigger=Runtime.Trigger.SCHEDULE, due_at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_run(app, trigger=Runtime.Trigger.SCHEDULE, due_at=NOON)


# -- Many apps, and many clocks -------------------------------------------------------------------------------------


def many_due(count: int) -> None:
    parent = make_app("bench.many.first").parent
    App.objects.bulk_create(
        App(
            parent=parent,
            name=f"app{number}",
            code=f"bench.many.app{number}",
            identity=f"{number:064x}",
            is_enabled=True,
            schedule=App.Schedule.INTERVAL,
            interval_s=60,
            next_due_at=NOON,
            next_run_at=NOON,
        )
        for number in range(count)
    )


def test_a_tick_without_work_is_one_query(django_assert_num_queries: Any) -> None:
    many_due(10)
    with django_assert_num_queries(1):
        assert request_due_runs(now=NOON - SECOND) == []


def test_the_number_of_queries_hardly_grows_with_what_is_due() -> None:
    def cost(count: int) -> int:
        Runtime.objects.all().delete()
        App.objects.all().delete()
        many_due(count)
        with CaptureQueriesContext(connection) as queries:
            assert len(request_due_runs(now=NOON)) == count
        return len(queries)

    cost(1)
    # SQLite takes a limited number of values in one statement.
    assert cost(40) <= cost(2) + 3


def test_what_is_more_than_one_batch_is_queued_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "BATCH", 4)
    many_due(11)
    assert len(request_due_runs(now=NOON)) == 11
    assert request_due_runs(now=NOON) == []


def test_what_is_more_than_one_tick_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "BATCH", 2)
    monkeypatch.setattr(scheduling, "MOST_BATCHES", 2)
    many_due(5)
    assert [len(request_due_runs(now=NOON)) for _ in range(3)] == [4, 1, 0]


def test_apps_with_much_to_make_up_for_share_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "MOST_ROWS", 100)
    many_due(5)
    App.objects.update(missed=App.Missed.ALL)
    assert len(request_due_runs(now=NOON + 59 * MINUTE)) == 300


def in_threads(count: int, work: Any) -> None:
    together, errors = Barrier(count), []

    def one() -> None:
        try:
            together.wait()
            work()
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_clocks_that_tick_at_the_same_moment_queue_everything_once() -> None:
    many_due(200)
    in_threads(4, lambda: [request_due_runs(now=NOON + number * MINUTE) for number in range(3)])
    request_due_runs(now=NOON + 2 * MINUTE)
    due = list(Runtime.objects.filter(trigger="SCHEDULE").values_list("app_id", "due_at"))
    assert len(due) == len(set(due))
    assert {app_id for app_id, _ in due} == set(App.objects.exclude(next_run_at=None).values_list("pk", flat=True))
    assert set(App.objects.exclude(next_run_at=None).values_list("next_due_at", flat=True)) == {NOON + 3 * MINUTE}


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_an_app_that_somebody_holds_keeps_no_other_waiting() -> None:
    held, other = due_app(), due_app("a.b.other")
    found: list[Any] = []
    with transaction.atomic():
        App.objects.select_for_update().get(pk=held.pk)
        in_threads(1, lambda: found.extend(request_due_runs(now=NOON)))
    assert [run.app for run in found] == [other]
    assert [run.app for run in request_due_runs(now=NOON)] == [held]


# -- A run that sets the next run of its app ------------------------------------------------------------------------


def test_a_run_sets_the_next_run_of_its_app_and_the_schedule_goes_on_from_there() -> None:
    app = due_app()
    at = NOON + timedelta(minutes=10, seconds=7, microseconds=5)
    assert set_next_run(app, at=at, seen_version=0, now=NOON)
    assert next_of(app) == app.next_run_at == NOON + timedelta(minutes=10, seconds=7)
    assert next_due_times(app, after=NOON, count=2)[1] == NOON + timedelta(minutes=11, seconds=7)


@pytest.mark.parametrize("at", [NOON - MINUTE, NOON, NOON + 5 * MINUTE])
def test_a_time_that_is_past_or_taken_becomes_the_next_second(at: datetime) -> None:
    app = due_app()
    for taken in (NOON + SECOND, NOON + 5 * MINUTE):
        make_run(app, State.SUCCEEDED, trigger=Runtime.Trigger.SCHEDULE, due_at=taken)
    assert set_next_run(app, at=at, seen_version=0, now=NOON)
    assert next_of(app) == NOON + 2 * SECOND


def test_a_run_that_saw_an_older_schedule_changes_nothing() -> None:
    app = due_app(schedule_version=3)
    assert not set_next_run(app, at=NOON + 5 * MINUTE, seen_version=2, now=NOON)
    assert set_next_run(app, at=NOON + 5 * MINUTE, seen_version=3, now=NOON)
    assert not set_next_run(app, at=NOON + 6 * MINUTE, seen_version=3, now=NOON)
    assert next_of(app) == NOON + 5 * MINUTE


@pytest.mark.parametrize("values", [{"is_enabled": False}, {"kind": App.Kind.STANDALONE}])
def test_a_run_sets_no_next_run_where_no_clock_starts_the_app(values: dict[str, Any]) -> None:
    app = due_app(next_due_at=None, next_run_at=None, **values)
    assert not set_next_run(app, at=NOON + MINUTE, seen_version=0, now=NOON)
    assert next_of(app) is None


# -- The clock ------------------------------------------------------------------------------------------------------


def test_the_clock_of_the_database_is_near_ours() -> None:
    assert abs(database_now() - utc_now()) < timedelta(minutes=1)


def test_a_clock_that_jumps_back_runs_nothing_twice() -> None:
    app = due_app(overlap=App.Overlap.QUEUE)
    for seconds in (0, 7200, 60, 3600, 7260, 0, 7320):
        request_due_runs(now=NOON + seconds * SECOND)
    assert due_times(app) == [NOON + minutes * MINUTE for minutes in (0, 120, 121, 122)]
