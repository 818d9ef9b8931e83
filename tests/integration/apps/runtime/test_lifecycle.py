"""How an app leaves: off the clock, marked for removal, purged by retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet

from apps.accounts.models import AuditEntry, User
from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.registry.models import App
from apps.runtime import lifecycle
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.journals import journal_root
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from apps.runtime.sweep import measure, sweep
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

SHELL = Command.Source.SHELL


def app_with_everything(code: str = "shop.old.app") -> App:
    now = utc_now()
    app = make_app(code, is_enabled=True)
    run = make_run(app, State.SUCCEEDED)
    Log.objects.create(app=app, runtime=run, logged_at=now, message="x", line_number=1)
    function = AppFunction.objects.create(
        app=app, identity=f"{code:0>64}", qualified_name="f", module="m", first_seen_at=now, last_seen_at=now
    )
    FunctionLog.objects.create(function=function, runtime=run, first_start_at=now)
    issue_command(app, Command.Verb.START, source=SHELL)
    (journal_root() / run.pk).mkdir(parents=True)
    return app


def counts(app: App) -> dict[str, int]:
    rows: dict[str, Any] = {
        "runs": Runtime.objects.filter(app=app.pk),
        "lines": Log.objects.filter(app=app.pk),
        "functions": AppFunction.objects.filter(app=app.pk),
        "commands": Command.objects.filter(app=app.pk),
        "apps": App.objects.filter(pk=app.pk),
    }
    return {name: found.count() for name, found in rows.items()}


def test_an_app_off_the_clock_is_not_due_and_what_the_clock_queued_is_cancelled() -> None:
    app = make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=60, next_run_at=utc_now())
    of_the_clock = make_run(app, trigger=Runtime.Trigger.SCHEDULE)
    of_a_person = make_run(app, trigger=Runtime.Trigger.ADMIN)
    app = lifecycle.unmanage(app, source=SHELL, now=utc_now())
    of_the_clock.refresh_from_db()
    of_a_person.refresh_from_db()
    assert (app.kind, app.is_scheduled, app.next_run_at, app.is_enabled) == ("STANDALONE", False, None, True)
    assert (of_the_clock.state, of_a_person.state) == (State.CANCELLED, State.QUEUED)


def test_an_app_to_be_removed_is_disabled_and_starts_no_more_until_that_is_cancelled() -> None:
    app, now = make_app(is_enabled=True), utc_now()
    when = lifecycle.request_removal(app, grace_days=7, source=SHELL, now=now)
    assert when == now + timedelta(days=7)
    app.refresh_from_db()
    assert (app.is_enabled, app.remove_after) == (False, when)
    for verb in (Command.Verb.START, Command.Verb.RESTART, Command.Verb.ENABLE):
        command = issue_command(app, verb, source=SHELL)
        assert command.state == Command.Progress.NOT_EXECUTED
        assert "manage.py app remove examples.shop.books --cancel" in command.reason
    assert lifecycle.cancel_removal(app, source=SHELL, now=now)
    assert not lifecycle.cancel_removal(app, source=SHELL, now=now)
    assert issue_command(app, Command.Verb.ENABLE, source=SHELL).state == Command.Progress.EXECUTED


def test_a_purge_takes_everything_of_the_app_and_nothing_of_another() -> None:
    app, other = app_with_everything(), app_with_everything("shop.other.app")
    folder = journal_root() / Runtime.objects.get(app=app, state=State.SUCCEEDED).pk
    before = counts(other)
    deleted = dict(lifecycle.purge_app(app, source=SHELL, now=utc_now()))
    assert set(counts(app).values()) == {0}
    assert counts(other) == before
    assert deleted["apps"] == 1
    assert not folder.exists()


def test_a_purge_that_was_broken_off_can_be_begun_again() -> None:
    app = app_with_everything()
    next(lifecycle.purge_app(app, source=SHELL, now=utc_now()))
    assert App.objects.filter(pk=app.pk, is_enabled=False).exists()
    list(lifecycle.purge_app(app, source=SHELL, now=utc_now()))
    assert set(counts(app).values()) == {0}
    assert list(lifecycle.purge_app(app, source=SHELL, now=utc_now())) == []


def test_an_app_that_runs_is_not_purged() -> None:
    app = app_with_everything()
    run = make_run(app, State.RUNNING)
    with pytest.raises(lifecycle.StillRunning, match=rf"shop.old.app is running \(run {run.pk}\); stop it first."):
        list(lifecycle.purge_app(app, source=SHELL, now=utc_now()))
    assert counts(app)["runs"] == 3


def test_retention_purges_what_is_due_shows_it_before_and_waits_for_live_runs() -> None:
    now = utc_now()
    due, later, live = (app_with_everything(f"shop.{name}.app") for name in ("due", "later", "live"))
    make_run(live, State.RUNNING)
    App.objects.filter(pk__in=[due.pk, live.pk]).update(remove_after=now - timedelta(seconds=1))
    App.objects.filter(pk=later.pk).update(remove_after=now + timedelta(days=1))
    (row,) = [table for table in measure(now=now) if table.name == "apps to be removed"]
    assert row.due_count == 1
    assert counts(due)["apps"] == 1
    assert sweep(now=now, sleep=lambda _seconds: None).deleted["apps to be removed"] == 1
    assert set(counts(due).values()) == {0}
    assert (counts(later)["apps"], counts(live)["apps"]) == (1, 1)


def written() -> QuerySet[AuditEntry]:
    """The audit, in order, but for the command that `app_with_everything` comes with."""
    return AuditEntry.objects.exclude(action="app.start_asked").order_by("pk")


def test_who_took_an_app_away_stands_written_when_the_app_is_gone() -> None:
    app, now = app_with_everything(), utc_now()
    olga = User.objects.create_user("olga")
    who: Any = {"source": Command.Source.ADMIN, "issuer": olga}
    lifecycle.unmanage(app, now=now, **who)
    lifecycle.request_removal(app, grace_days=7, now=now, **who)
    lifecycle.cancel_removal(app, now=now, **who)
    lifecycle.cancel_removal(app, now=now, **who)  # nothing happens, and nothing is said
    list(lifecycle.purge_app(app, now=now, **who))
    olga.delete()
    entries = written()
    assert [entry.action for entry in entries] == [
        "app.unmanaged",
        "app.disabled",
        "app.removal_requested",
        "app.removal_cancelled",
        "app.purge_begun",
        "app.purged",
    ]
    assert {(entry.subject, entry.actor_name, entry.source) for entry in entries} == {(app.code, "olga", "ADMIN")}
    assert entries[2].details == {"remove_after": (now + timedelta(days=7)).isoformat()}
    assert entries[5].details["deleted"]["runs"] == 2


def test_what_comes_from_a_shell_or_from_retention_says_so() -> None:
    now, shell, due = utc_now(), make_app(), app_with_everything()
    lifecycle.unmanage(shell, source=SHELL, now=now)
    App.objects.filter(pk=due.pk).update(remove_after=now - timedelta(seconds=1))
    sweep(now=now, sleep=lambda _seconds: None)
    said = list(written().values_list("action", "source", "actor_name"))
    assert said[0][:2] == ("app.unmanaged", "SHELL")
    assert said[0][2]
    assert said[1:] == [("app.purge_begun", "PLATFORM", ""), ("app.purged", "PLATFORM", "")]


def test_a_purge_that_is_refused_is_not_said_to_have_begun() -> None:
    app = app_with_everything()
    make_run(app, State.RUNNING)
    with pytest.raises(lifecycle.StillRunning):
        list(lifecycle.purge_app(app, source=SHELL, now=utc_now()))
    assert not written().exists()
