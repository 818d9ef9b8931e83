"""What an action on many leaves aside, and why: read for all rows in few queries, without doing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.registry.models import App
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.switching import waits_for_removal

OPEN = (State.QUEUED, *LIVE)


def _open_apps() -> dict[int, str]:
    """Of each app with an open run: the state of one, as people read it."""
    found = Runtime.objects.filter(state__in=OPEN).values_list("app_id", "state")
    return {app: str(State(state).label) for app, state in found}


def unable(app: App) -> str:
    """Why an app cannot be started."""
    if app.remove_after is not None:
        return waits_for_removal(app)
    return "" if app.is_enabled else "It is disabled; enable it first."


def busy_or_unable(apps: list[App]) -> dict[Any, str]:
    is_open = _open_apps()
    reasons = {
        app.pk: unable(app) or (f"It is {is_open[app.pk]} already." if app.pk in is_open else "") for app in apps
    }
    return {pk: reason for pk, reason in reasons.items() if reason}


def idle(apps: list[App]) -> dict[Any, str]:
    is_open = _open_apps()
    return {app.pk: "It is not running." for app in apps if app.pk not in is_open}


def each(reason_of: Callable[[Any], str]) -> Callable[[list[Any]], dict[Any, str]]:
    """Skips that can be seen by looking at each row alone."""

    def skips(rows: list[Any]) -> dict[Any, str]:
        found = {row.pk: reason_of(row) for row in rows}
        return {pk: reason for pk, reason in found.items() if reason}

    return skips


def enabled_already(app: App) -> str:
    if app.remove_after is not None:
        return waits_for_removal(app)
    return "It is enabled already." if app.is_enabled and app.fatal == App.Fatal.NONE else ""


def nothing_counted(app: App) -> str:
    if app.is_on_trial:
        return "It is on trial: its next run decides."
    return "" if app.failures_in_a_row or app.fatal != App.Fatal.NONE else "No failure is counted."


def never_scheduled(app: App) -> str:
    return "" if app.kind == App.Kind.MANAGED else f"The clock never starts it: its kind is {App.Kind(app.kind).word}."


def not_to_run_again(runs: list[Runtime]) -> dict[Any, str]:
    """An app has one waiting run at a time, so the newest of each app is the one that is run again."""
    is_open, taken, found = _open_apps(), set(), {}
    for run in sorted(runs, key=lambda run: (run.queued_at, run.pk), reverse=True):
        reason = "" if run.has_ended else f"It is {State(run.state).word}; it has not ended."
        reason = reason or unable(run.app)
        if not reason and run.app_id in is_open:
            reason = f"{run.app.code} is {is_open[run.app_id]} already."
        if not reason and run.app_id in taken:
            reason = f"A newer run of {run.app.code} is among them."
        if reason:
            found[run.pk] = reason
        else:
            taken.add(run.app_id)
    return found


def nothing(_rows: list[Any]) -> dict[Any, str]:
    """Leaves nothing aside."""
    return {}
