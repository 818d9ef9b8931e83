"""What people and the clock ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from apps.runtime.scheduling import request_due_runs
from apps.runtime.services import issue_command
from apps.runtime.stop_requests import asked_to_stop, settle_commands
from tests.integration.factories import BOOKS, make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

START, STOP, ENABLE, DISABLE = Command.Verb.START, Command.Verb.STOP, Command.Verb.ENABLE, Command.Verb.DISABLE
ADMIN = Command.Source.ADMIN


def test_start_queues_a_run_with_its_arguments() -> None:
    command = issue_command(make_app(is_enabled=True), START, source=ADMIN, args={"base_url": "http://x/"})
    assert command.state == Command.Progress.EXECUTED
    run = Runtime.objects.get()
    assert (command.runtime, run.state, run.trigger, run.args) == (run, "QUEUED", "ADMIN", {"base_url": "http://x/"})


def test_a_disabled_app_is_not_started() -> None:
    command = issue_command(make_app(), START, source=ADMIN)
    assert (command.state, command.reason) == (
        Command.Progress.NOT_EXECUTED,
        "examples.shop.books is disabled; enable it first.",
    )
    assert command.finished_at is not None
    assert not Runtime.objects.exists()


@pytest.mark.parametrize("state", [State.QUEUED, State.STARTING, State.RUNNING, State.STOPPING])
def test_an_app_that_waits_or_runs_is_not_started_again(state: State) -> None:
    app = make_app(is_enabled=True)
    run = make_run(app, state)
    command = issue_command(app, START, source=ADMIN)
    assert command.state == Command.Progress.NOT_EXECUTED
    assert run.pk in command.reason
    assert Runtime.objects.count() == 1


def test_stop_cancels_what_has_not_begun() -> None:
    app = make_app()
    run = make_run(app)
    assert issue_command(app, STOP, source=ADMIN).state == Command.Progress.EXECUTED
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_stop_of_a_live_run_is_a_request_to_whoever_owns_its_process() -> None:
    app = make_app()
    run = make_run(app, State.RUNNING)
    other = make_run(make_app("examples.debian.python_docs"), State.RUNNING)
    command = issue_command(app, STOP, source=ADMIN)
    assert command.state == Command.Progress.PENDING
    assert asked_to_stop([other.pk]) == []
    assert asked_to_stop([run.pk, other.pk]) == [run.pk]
    assert issue_command(app, STOP, source=ADMIN).state == Command.Progress.PENDING


def test_stop_can_name_one_run_of_several() -> None:
    app = make_app(max_parallel=2)
    first, second = make_run(app, State.RUNNING), make_run(app, State.RUNNING, slot=1)
    issue_command(app, STOP, source=ADMIN, runtime=second)
    assert asked_to_stop([first.pk, second.pk]) == [second.pk]


def test_stop_of_an_idle_app_says_that_it_is_not_running() -> None:
    command = issue_command(make_app(), STOP, source=ADMIN)
    assert (command.state, command.reason) == (
        Command.Progress.NOT_EXECUTED,
        "examples.shop.books is not running.",
    )


def test_a_stop_command_is_done_when_its_runs_have_ended() -> None:
    app = make_app()
    run = make_run(app, State.RUNNING)
    command = issue_command(app, STOP, source=ADMIN)
    assert settle_commands(now=utc_now()) == 0
    assert Runtime.objects.get(pk=run.pk).finish(State.STOPPED, at=utc_now())
    assert settle_commands(now=utc_now()) == 1
    command.refresh_from_db()
    assert command.state == Command.Progress.EXECUTED


def test_enabling_computes_the_next_due_time_and_fires_nothing() -> None:
    app, now = make_app(schedule=App.Schedule.INTERVAL, interval_s=60), utc_now()
    assert issue_command(app, ENABLE, source=ADMIN, now=now).state == Command.Progress.EXECUTED
    app.refresh_from_db()
    assert (app.is_enabled, app.next_run_at) == (True, now.replace(microsecond=0) + timedelta(seconds=60))
    assert request_due_runs(now=now) == []


@pytest.mark.parametrize("values", [{"kind": App.Kind.STANDALONE}, {"schedule": App.Schedule.MANUAL}])
def test_what_the_clock_does_not_start_has_no_due_time(values: dict[str, Any]) -> None:
    app = make_app(BOOKS, **{"schedule": App.Schedule.INTERVAL, "interval_s": 60, **values})
    issue_command(app, ENABLE, source=ADMIN)
    app.refresh_from_db()
    assert (app.is_enabled, app.next_run_at) == (True, None)


def test_disabling_takes_the_due_time_away() -> None:
    app = make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=60, next_run_at=utc_now())
    issue_command(app, DISABLE, source=ADMIN)
    app.refresh_from_db()
    assert (app.is_enabled, app.next_run_at) == (False, None)
    assert request_due_runs(now=utc_now()) == []
