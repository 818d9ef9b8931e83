"""Commands that are more than one step: keys, deadlines, restarts, and which of two commands wins."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.registry.services import BadArguments
from apps.runtime.ending import end_run
from apps.runtime.models import ENDED, LIVE, Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.services import KeyIsTaken, check_args, issue_command
from apps.runtime.stop_requests import settle_commands
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")
at_once = pytest.mark.django_db(databases="__all__", transaction=True)

START, STOP, RESTART = Command.Verb.START, Command.Verb.STOP, Command.Verb.RESTART
ENABLE, DISABLE = Command.Verb.ENABLE, Command.Verb.DISABLE
Progress = Command.Progress
OTHER = "examples.debian.python_docs"


def order(app: App, verb: Command.Verb, **values: Any) -> Command:
    return issue_command(app, verb, source=Command.Source.ADMIN, **values)


def fresh(command: Command) -> Command:
    return Command.objects.select_related("runtime").get(pk=command.pk)


def enabled(**values: Any) -> App:
    return make_app(is_enabled=True, **values)


# -- Sequence and keys -------------------------------------------------------------------------------------------------


def test_commands_to_one_app_are_numbered_in_the_order_in_which_they_came() -> None:
    app, other = enabled(), make_app(OTHER)
    commands = [order(app, verb) for verb in (START, STOP, DISABLE)]
    assert [command.sequence for command in commands] == [1, 2, 3]
    assert order(other, STOP).sequence == 1


def test_the_same_key_again_is_the_same_command_and_starts_nothing_twice() -> None:
    app = enabled()
    first = order(app, START, idempotency_key="k1", args={"base_url": "http://x/"})
    again = order(app, START, idempotency_key="k1", args={"base_url": "http://x/"})
    assert (again.pk, again.runtime_id) == (first.pk, first.runtime_id)
    assert (Command.objects.count(), Runtime.objects.count()) == (1, 1)


def test_a_key_answers_the_same_when_the_app_has_changed_since() -> None:
    app = enabled()
    first = order(app, START, idempotency_key="k1")
    order(app, DISABLE)
    assert order(app, START, idempotency_key="k1").pk == first.pk


@pytest.mark.parametrize(
    ("verb", "values"),
    [(START, {"args": {"base_url": "http://y/"}}), (STOP, {}), (START, {"limit": 3}), (START, {"dry_run": True})],
)
def test_a_key_that_asked_for_something_else_is_refused(verb: Command.Verb, values: dict[str, Any]) -> None:
    app = enabled()
    first = order(app, START, idempotency_key="k1")
    with pytest.raises(KeyIsTaken, match=rf'"k1" belongs to command {first.pk} \(START examples.shop.books\)'):
        order(app, verb, idempotency_key="k1", **values)


def test_a_key_belongs_to_one_app() -> None:
    order(enabled(), START, idempotency_key="k1")
    with pytest.raises(KeyIsTaken):
        order(make_app(OTHER, is_enabled=True), START, idempotency_key="k1")


# -- Arguments ---------------------------------------------------------------------------------------------------------


def test_an_argument_that_the_source_does_not_take_is_refused_by_name() -> None:
    app = enabled()
    with pytest.raises(BadArguments, match=r'"base_ur" is not an argument of .*; did you mean base_url\?'):
        check_args(app, {"base_ur": "http://x/"})
    command = order(app, START, args={"base_ur": "http://x/"})
    assert (command.state, Runtime.objects.count()) == (Progress.NOT_EXECUTED, 0)
    assert '"base_ur" is not an argument' in command.reason


def test_without_its_source_the_kept_schema_decides() -> None:
    schema = {"properties": {"page": {"type": "integer"}, "mode": {"enum": ["a", "b"]}}, "required": ["page"]}
    app = make_app("shop.gone.app", args_schema=schema)
    check_args(app, {"page": 2, "mode": "a"})
    for args, words in (
        ({}, 'Argument "page": field required.'),
        ({"page": "2"}, 'Argument "page": has to be of the type integer.'),
        ({"page": True}, 'Argument "page": has to be of the type integer.'),
        ({"page": 2, "mode": "c"}, 'Argument "mode": has to be one of a, b.'),
        ({"page": 2, "pages": 3}, '"pages" is not an argument'),
    ):
        with pytest.raises(BadArguments, match=words):
            check_args(app, args)


def test_what_the_app_says_itself_counts_as_given() -> None:
    app = make_app("shop.gone.app", args={"page": 1}, args_schema={"properties": {"page": {}}, "required": ["page"]})
    check_args(app, {})


@pytest.mark.parametrize("verb", [STOP, ENABLE, DISABLE])
def test_only_what_starts_a_run_takes_arguments(verb: Command.Verb) -> None:
    command = order(enabled(), verb, args={"a": 1})
    assert (command.state, command.reason) == (Progress.NOT_EXECUTED, f"{verb} takes no arguments.")


def test_a_start_carries_its_queue_limit_and_dry_run() -> None:
    app = enabled(queue="heavy")
    run = order(app, START, limit=5, dry_run=True).runtime
    assert run is not None
    assert (run.queue, run.limit, run.is_dry_run, run.trigger) == ("heavy", 5, True, "ADMIN")


@pytest.mark.parametrize(("source", "trigger"), [("SHELL", "SHELL"), ("API", "API"), ("WEBSOCKET", "ADMIN")])
def test_the_run_says_where_its_start_came_from(source: str, trigger: str) -> None:
    command = issue_command(enabled(), START, source=Command.Source(source))
    assert command.runtime is not None
    assert command.runtime.trigger == trigger


# -- Deadlines ---------------------------------------------------------------------------------------------------------


def test_a_command_that_comes_after_its_deadline_does_nothing() -> None:
    now = utc_now()
    command = order(enabled(), START, deadline_at=now - timedelta(seconds=1), now=now)
    assert (command.state, Runtime.objects.count()) == (Progress.EXPIRED, 0)


def test_a_start_that_nobody_takes_in_time_expires_and_does_not_run_later() -> None:
    app, now = enabled(), utc_now()
    command = order(app, START, deadline_at=now + timedelta(seconds=10), now=now)
    assert command.state == Progress.PENDING
    assert settle_commands(now=now + timedelta(seconds=9)) == 0
    assert settle_commands(now=now + timedelta(seconds=10)) == 1
    command = fresh(command)
    assert command.runtime is not None
    assert (command.state, command.runtime.state) == (Progress.EXPIRED, State.CANCELLED)


def test_a_start_that_began_in_time_is_done() -> None:
    app, now = enabled(), utc_now()
    command = order(app, START, deadline_at=now + timedelta(seconds=10), now=now)
    Runtime.objects.filter(pk=command.runtime_id).update(state=State.STARTING, slot=0)
    assert settle_commands(now=now + timedelta(seconds=60)) == 1
    assert fresh(command).state == Progress.EXECUTED


def test_a_stop_that_takes_too_long_expires_and_the_run_still_stops() -> None:
    app, now = enabled(), utc_now()
    run = make_run(app, State.RUNNING)
    command = order(app, STOP, deadline_at=now + timedelta(seconds=10), now=now)
    assert settle_commands(now=now + timedelta(seconds=11)) == 1
    run.refresh_from_db()
    assert (fresh(command).state, run.state) == (Progress.EXPIRED, State.STOPPING)


# -- Stop and restart --------------------------------------------------------------------------------------------------


def test_a_stop_is_claimed_when_the_owner_of_the_run_is_at_work_on_it() -> None:
    app, now = enabled(), utc_now()
    node = Node.objects.create(
        host="h", boot_id="b", pid=1, pid_started=1, started_at=now, heartbeat_at=now, lease_until=now
    )
    run = make_run(app, State.RUNNING, owner=node)
    command = order(app, STOP)
    assert settle_commands(now=now) == 0
    assert fresh(command).state == Progress.PENDING
    Runtime.objects.filter(pk=run.pk).update(stop_stage="grace")
    assert settle_commands(now=now) == 0
    assert (fresh(command).state, fresh(command).claimed_by) == (Progress.CLAIMED, node)
    assert end_run(Runtime.objects.get(pk=run.pk), State.STOPPED, now=now)
    assert fresh(command).state == Progress.EXECUTED


def test_a_restart_of_an_idle_app_starts_it() -> None:
    command = order(enabled(), RESTART)
    assert command.state == Progress.EXECUTED
    assert command.runtime is not None
    assert command.runtime.state == State.QUEUED


def test_a_restart_starts_when_the_old_run_has_ended_and_not_before() -> None:
    app, now = enabled(), utc_now()
    run = make_run(app, State.RUNNING, args={"base_url": "http://x/"}, limit=7)
    command = order(app, RESTART)
    assert (command.state, settle_commands(now=now)) == (Progress.PENDING, 0)
    run.refresh_from_db()
    assert run.state == State.STOPPING
    assert not Runtime.objects.filter(state=State.QUEUED).exists()
    assert end_run(run, State.STOPPED, now=now)
    command = fresh(command)
    assert command.runtime is not None
    assert (command.state, command.runtime.state, command.runtime.args, command.runtime.limit) == (
        Progress.EXECUTED,
        State.QUEUED,
        {"base_url": "http://x/"},
        7,
    )


def test_a_restart_can_give_other_arguments() -> None:
    app = enabled()
    run = make_run(app, State.RUNNING, args={"base_url": "http://x/"})
    command = order(app, RESTART, args={})
    end_run(Runtime.objects.get(pk=run.pk), State.STOPPED, now=utc_now())
    assert fresh(command).runtime.args == {}  # type: ignore[union-attr]


@pytest.mark.parametrize("later", [STOP, DISABLE, RESTART])
def test_a_later_command_takes_the_place_of_a_restart_that_waits(later: Command.Verb) -> None:
    app, now = enabled(), utc_now()
    run = make_run(app, State.RUNNING)
    restart = order(app, RESTART)
    winner = order(app, later)
    end_run(Runtime.objects.get(pk=run.pk), State.STOPPED, now=now)
    settle_commands(now=now)
    assert (fresh(restart).state, fresh(restart).reason) == (
        Progress.NOT_EXECUTED,
        f"A later {later} (command {winner.pk}) took its place.",
    )
    assert Runtime.objects.filter(state=State.QUEUED).count() == (1 if later == RESTART else 0)
    assert fresh(winner).state == Progress.EXECUTED


def test_disabling_cancels_what_waits_and_lets_go_on_what_runs() -> None:
    app = enabled(max_parallel=2)
    queued, running = make_run(app), make_run(app, State.RUNNING)
    order(app, DISABLE)
    queued.refresh_from_db()
    running.refresh_from_db()
    assert (queued.state, running.state) == (State.CANCELLED, State.RUNNING)


def test_a_disabled_app_is_not_restarted_and_its_run_goes_on() -> None:
    app = make_app()
    run = make_run(app, State.RUNNING)
    command = order(app, RESTART)
    run.refresh_from_db()
    assert (command.state, run.state) == (Progress.NOT_EXECUTED, State.RUNNING)
    assert command.reason == "examples.shop.books is disabled; enable it first."


def test_a_start_does_not_wait_for_a_retry() -> None:
    app, now = enabled(), utc_now()
    retry = make_run(app, trigger=Runtime.Trigger.RETRY, not_before=now + timedelta(hours=1))
    command = order(app, START, now=now)
    retry.refresh_from_db()
    assert (command.state, retry.state) == (Progress.EXECUTED, State.CANCELLED)
    assert Runtime.objects.filter(state=State.QUEUED).count() == 1


def together(*calls: Any) -> list[Any]:
    """Make the calls at the same moment, each in a thread with its own connection."""
    start, results = Barrier(len(calls)), list[Any]()

    def work(call: Any) -> None:
        try:
            start.wait()
            results.append(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@at_once
def test_ten_restarts_at_once_leave_one_run_and_one_result_each() -> None:
    app = enabled()
    run = make_run(app, State.RUNNING)
    commands = together(*[lambda: order(app, RESTART)] * 6)
    assert [error for error in commands if isinstance(error, Exception)] == []
    assert sorted(command.sequence for command in commands) == [1, 2, 3, 4, 5, 6]
    end_run(Runtime.objects.get(pk=run.pk), State.STOPPED, now=utc_now())
    states = Command.objects.order_by("sequence").values_list("state", flat=True)
    assert list(states) == [Progress.NOT_EXECUTED] * 5 + [Progress.EXECUTED]
    assert Runtime.objects.exclude(state__in=ENDED).count() == 1


@at_once
def test_one_key_from_two_callers_at_once_is_one_command() -> None:
    app = enabled()
    commands = together(*[lambda: order(app, START, idempotency_key="k")] * 4)
    assert len({command.pk for command in commands}) == 1
    assert Runtime.objects.count() == 1


@at_once
def test_one_key_for_two_apps_at_once_is_one_command_and_one_refusal() -> None:
    apps = enabled(), make_app(OTHER, is_enabled=True)
    results = together(*[lambda app=app: order(app, START, idempotency_key="k") for app in apps])
    assert sorted(type(result).__name__ for result in results) == ["Command", "KeyIsTaken"]
    assert Runtime.objects.count() == Command.objects.count() == 1


@at_once
def test_an_end_and_commands_at_the_same_moment_wait_for_each_other() -> None:
    app = enabled()
    for _ in range(5):
        run = make_run(app, State.RUNNING)
        results = together(
            lambda run=run: end_run(Runtime.objects.get(pk=run.pk), State.FAILED, now=utc_now(), cause="x"),
            lambda: order(app, STOP),
            lambda: settle_commands(now=utc_now()),
            lambda: order(app, ENABLE, trial=False),
        )
        assert [result for result in results if isinstance(result, Exception)] == []
        settle_commands(now=utc_now())
        assert not Runtime.objects.filter(state__in=LIVE).exclude(state=State.STOPPING).exists()
        Runtime.objects.filter(state__in=LIVE).update(state=State.STOPPED, ended_at=utc_now())


# -- What the platform asks for ---------------------------------------------------------------------------------------


def test_a_stop_by_the_platform_leaves_what_a_person_has_asked_for() -> None:
    app = enabled(max_parallel=2)
    run = make_run(app, State.RUNNING)
    waits = order(app, RESTART)
    later = utc_now() + timedelta(hours=1)
    other = enabled(code=OTHER)
    start = order(other, START, deadline_at=later)
    for one, about in ((app, run), (other, start.runtime)):
        issue_command(one, STOP, source=Command.Source.PLATFORM, runtime=about)
    assert fresh(waits).state == Progress.PENDING
    # Its own run was cancelled under it: it says so itself.
    assert (fresh(start).state, fresh(start).reason) == (Progress.NOT_EXECUTED, "Stopped before it began.")


def test_a_stop_of_one_run_takes_the_place_of_the_start_of_that_run_and_of_no_other() -> None:
    app = enabled(max_parallel=2)
    mine = order(app, START, deadline_at=utc_now() + timedelta(hours=1))
    other = make_run(app, State.RUNNING, slot=1)
    order(app, STOP, runtime=other)
    assert (fresh(mine).state, fresh(mine).runtime.state) == (Progress.PENDING, State.QUEUED)  # type: ignore[union-attr]
    order(app, STOP, runtime=mine.runtime)
    assert fresh(mine).state == Progress.NOT_EXECUTED


def test_a_restart_takes_the_place_of_a_retry() -> None:
    app = enabled(retry_attempts=3)
    run = make_run(app, State.RUNNING)
    restart = order(app, RESTART)
    end_run(Runtime.objects.get(pk=run.pk), State.FAILED, now=utc_now(), cause="It fell over its own feet.")
    waiting = Runtime.objects.get(state=State.QUEUED)
    assert (waiting.pk, waiting.trigger) == (fresh(restart).runtime_id, Runtime.Trigger.ADMIN)
