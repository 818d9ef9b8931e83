"""What follows from the end of a run: counting, disabling, trying again, the trial after a repair."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

FAILED, CRASHED, TIMED_OUT = State.FAILED, State.CRASHED, State.TIMED_OUT
SUCCEEDED, STOPPED = State.SUCCEEDED, State.STOPPED
Trigger = Runtime.Trigger


def enabled(**values: Any) -> App:
    return make_app(is_enabled=True, **values)


def ended(app: App, state: State, *, by: Trigger = Trigger.SCHEDULE, **values: Any) -> Runtime:
    """A run of the app that was live and has just ended like this."""
    about = {
        name: values.pop(name) for name in ("attempt", "is_trial", "is_dry_run", "args", "limit") if name in values
    }
    run = make_run(app, State.RUNNING, trigger=by, **about)
    assert end_run(run, state, now=utc_now(), cause=values.pop("cause", "no price on the page"), **values)
    app.refresh_from_db()
    return run


def order(app: App, verb: Command.Verb, **values: Any) -> Command:
    command = issue_command(app, verb, source=Command.Source.ADMIN, **values)
    app.refresh_from_db()
    return command


def queued(app: App) -> list[Runtime]:
    return list(Runtime.objects.filter(app=app, state=State.QUEUED))


# -- Counting and disabling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [FAILED, CRASHED, TIMED_OUT])
def test_so_many_failures_in_a_row_disable_the_app_and_not_one_less(state: State) -> None:
    app = enabled(disable_after=3)
    ended(app, state)
    ended(app, state)
    assert (app.is_enabled, app.failures_in_a_row) == (True, 2)
    ended(app, state, cause="The site is gone.")
    assert (app.is_enabled, app.fatal, app.next_run_at) == (False, App.Fatal.FAILED, None)
    assert app.fatal_reason == "3 runs in a row failed. The last cause: The site is gone."
    assert app.fatal_at is not None


def test_a_success_begins_the_count_anew() -> None:
    app = enabled(disable_after=2)
    for state in (FAILED, SUCCEEDED, FAILED):
        ended(app, state)
    assert (app.is_enabled, app.failures_in_a_row) == (True, 1)


def test_stops_skips_and_faults_of_the_platform_do_not_count() -> None:
    app = enabled(disable_after=1)
    ended(app, STOPPED)
    ended(app, CRASHED, error_category="platform")
    ended(app, FAILED, error_category="platform")
    end_run(make_run(app), State.SKIPPED, now=utc_now())
    end_run(make_run(app), State.CANCELLED, now=utc_now())
    app.refresh_from_db()
    assert (app.is_enabled, app.failures_in_a_row) == (True, 0)


def test_a_dry_run_is_a_rehearsal() -> None:
    app = enabled(disable_after=2)
    ended(app, FAILED)
    ended(app, SUCCEEDED, is_dry_run=True)
    ended(app, FAILED, is_dry_run=True)
    assert (app.is_enabled, app.failures_in_a_row) == (True, 1)


def test_zero_never_disables_for_failures() -> None:
    app = enabled(disable_after=0)
    for _ in range(5):
        ended(app, FAILED)
    assert (app.is_enabled, app.failures_in_a_row) == (True, 5)


@pytest.mark.parametrize("about", [{"is_blocked": True}, {"error_category": "database"}, {"error_category": "io"}])
def test_a_blocker_disables_at_once(about: dict[str, Any]) -> None:
    app = enabled(disable_after=0)
    ended(app, FAILED, cause="The disk is full.", **about)
    assert (app.is_enabled, app.fatal) == (False, App.Fatal.BLOCKED)
    assert app.fatal_reason == "Somebody has to repair something first: The disk is full."


def test_the_lock_of_an_operator_is_not_made_fatal() -> None:
    app = make_app(disable_after=1)
    ended(app, FAILED, is_blocked=True)
    assert (app.is_enabled, app.fatal) == (False, App.Fatal.NONE)


def test_what_waits_is_cancelled_when_the_app_is_disabled() -> None:
    app = enabled(disable_after=1)
    waiting = make_run(app)
    ended(app, FAILED)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.cause) == (State.CANCELLED, "The app was disabled.")


def test_a_run_that_is_ended_twice_counts_once() -> None:
    app = enabled()
    run = ended(app, FAILED)
    assert not end_run(run, FAILED, now=utc_now())
    assert not end_run(Runtime.objects.get(pk=run.pk), SUCCEEDED, now=utc_now())
    app.refresh_from_db()
    assert app.failures_in_a_row == 1


# -- Trying again ------------------------------------------------------------------------------------------------------


def test_a_failed_run_is_tried_again_after_the_interval_with_the_same_arguments() -> None:
    app = enabled(retry_attempts=2, retry_interval_s=60, queue="heavy")
    run = ended(app, FAILED, args={"a": 1}, limit=4)
    (retry,) = queued(app)
    assert (retry.trigger, retry.attempt, retry.args, retry.limit, retry.queue) == ("RETRY", 2, {"a": 1}, 4, "heavy")
    assert run.ended_at is not None
    assert retry.not_before == run.ended_at + timedelta(seconds=60)


def test_attempts_end() -> None:
    app = enabled(retry_attempts=2, disable_after=0)
    ended(app, FAILED, attempt=3)
    assert queued(app) == []


@pytest.mark.parametrize("state", [SUCCEEDED, STOPPED])
def test_what_did_not_fail_is_not_tried_again(state: State) -> None:
    app = enabled(retry_attempts=2)
    ended(app, state)
    assert queued(app) == []


def test_a_run_that_waits_takes_the_place_of_a_retry() -> None:
    app = enabled(retry_attempts=2)
    waiting = make_run(app)
    ended(app, FAILED)
    assert queued(app) == [waiting]


@pytest.mark.parametrize("about", [{"is_blocked": True}, {"error_category": "database"}])
def test_what_is_blocked_is_not_tried_again(about: dict[str, Any]) -> None:
    app = enabled(retry_attempts=2)
    ended(app, FAILED, **about)
    assert queued(app) == []


def test_a_run_by_hand_is_not_tried_again() -> None:
    app = enabled(retry_attempts=2)
    ended(app, FAILED, by=Trigger.SHELL)
    assert queued(app) == []


def test_a_run_that_was_lost_is_tried_again_where_attempts_are_left() -> None:
    app = enabled(retry_attempts=1)
    ended(app, CRASHED, error_category="platform")
    assert len(queued(app)) == 1


def test_a_source_that_says_not_now_is_heard_and_counts_once() -> None:
    app = enabled(disable_after=2)
    ended(app, FAILED, error_category="retry_later")
    assert app.failures_in_a_row == 1
    for attempt in (2, 3):
        (retry,) = queued(app)
        assert retry.attempt == attempt
        Runtime.objects.filter(pk=retry.pk).update(state=State.RUNNING, slot=0)
        end_run(Runtime.objects.get(pk=retry.pk), FAILED, now=utc_now(), error_category="retry_later")
        app.refresh_from_db()
    assert (app.is_enabled, app.failures_in_a_row) == (True, 1)


# -- The trial ---------------------------------------------------------------------------------------------------------


def broken(**values: Any) -> App:
    app = enabled(disable_after=1, schedule=App.Schedule.INTERVAL, interval_s=60, **values)
    ended(app, FAILED, cause="The page has changed.")
    assert app.fatal == App.Fatal.FAILED
    return app


def begin_trial(app: App, **values: Any) -> Runtime:
    command = order(app, Command.Verb.ENABLE, **values)
    assert command.state == Command.Progress.EXECUTED
    assert command.runtime is not None
    Runtime.objects.filter(pk=command.runtime.pk).update(state=State.RUNNING, slot=0)
    return Runtime.objects.get(pk=command.runtime.pk)


def test_enabling_after_a_fatal_end_holds_a_trial_and_plans_nothing_yet() -> None:
    app = broken()
    run = begin_trial(app)
    assert (run.is_trial, app.is_on_trial, app.is_enabled, app.next_run_at) == (True, True, True, None)
    again = order(app, Command.Verb.ENABLE)
    assert again.runtime == run


def test_a_trial_that_succeeds_clears_everything_and_plans_the_schedule() -> None:
    app = broken()
    end_run(begin_trial(app), SUCCEEDED, now=utc_now())
    app.refresh_from_db()
    assert (app.is_on_trial, app.is_enabled, app.fatal, app.fatal_reason) == (False, True, App.Fatal.NONE, "")
    assert app.next_run_at is not None


def test_a_trial_that_fails_disables_at_once_whatever_the_limit() -> None:
    app = broken()
    App.objects.filter(pk=app.pk).update(disable_after=10, retry_attempts=5)
    end_run(begin_trial(app), FAILED, now=utc_now(), cause="Still no price.")
    app.refresh_from_db()
    assert (app.is_on_trial, app.is_enabled) == (False, False)
    assert app.fatal_reason == "The trial run failed: Still no price."
    assert queued(app) == []


def test_a_trial_that_was_stopped_shows_nothing_so_the_app_is_disabled_again() -> None:
    app = broken()
    end_run(begin_trial(app), STOPPED, now=utc_now())
    app.refresh_from_db()
    assert (app.is_on_trial, app.is_enabled, app.fatal) == (False, False, App.Fatal.FAILED)


def test_a_trial_that_is_restarted_is_not_over() -> None:
    app = broken()
    run = begin_trial(app)
    order(app, Command.Verb.RESTART)
    end_run(Runtime.objects.get(pk=run.pk), STOPPED, now=utc_now())
    app.refresh_from_db()
    assert (app.is_on_trial, app.is_enabled) == (True, True)
    (trial,) = queued(app)
    assert trial.is_trial


def test_a_trial_that_the_platform_lost_is_held_again() -> None:
    app = broken()
    end_run(begin_trial(app), CRASHED, now=utc_now(), error_category="platform")
    app.refresh_from_db()
    (trial,) = queued(app)
    assert (app.is_on_trial, trial.is_trial) == (True, True)


def test_a_trial_can_be_asked_for_and_declined() -> None:
    sound = make_app("shop.sound.app")
    begin_trial(sound, trial=True)
    assert sound.is_on_trial
    app = broken()
    command = order(app, Command.Verb.ENABLE, trial=False)
    assert (command.runtime, app.is_on_trial, app.is_enabled, app.fatal) == (None, False, True, App.Fatal.NONE)
    assert (app.failures_in_a_row, app.next_run_at is not None) == (0, True)
