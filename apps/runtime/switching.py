"""Enabling and disabling an app at somebody's request. The row of the app has to be locked."""

from __future__ import annotations

from datetime import datetime

from apps.registry.cron import BadSchedule
from apps.registry.models import App
from apps.registry.schedules import due_after, plan_next, whole_second
from apps.runtime.consequences import SWITCH_FIELDS
from apps.runtime.ending import cancel_queued
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.queueing import TRIGGERS, queue_run


def enable(app: App, order: Command, *, trial: bool | None, now: datetime) -> str:
    """Let the clock and people start the app; with `trial` when one run has succeeded. Returns why not."""
    if app.remove_after is not None:
        return waits_for_removal(app)
    is_trial = app.fatal != App.Fatal.NONE if trial is None else trial
    app.is_enabled, app.is_on_trial, app.failures_in_a_row = True, is_trial, 0
    try:
        due_after(app, whole_second(now))
        if not is_trial:
            # Enabling computes the next due time; it does not fire at once.
            plan_next(app, now=now)
    except BadSchedule as error:
        return f"{app.code} cannot be enabled, its schedule is wrong: {error}"
    if is_trial:
        app.next_run_at = app.next_due_at = None
        app.schedule_version += 1
        app.save(update_fields=SWITCH_FIELDS)
        _hold_trial(app, order, now)
        return ""
    app.fatal, app.fatal_reason, app.fatal_at = App.Fatal.NONE, "", None
    app.save(update_fields=SWITCH_FIELDS)
    return ""


def _hold_trial(app: App, order: Command, now: datetime) -> None:
    under_way = Runtime.objects.filter(app=app, is_trial=True, state__in=(State.QUEUED, *LIVE)).first()
    order.runtime = under_way or queue_run(
        app, trigger=TRIGGERS[Command.Source(order.source)], now=now, args={}, is_trial=True
    )


def disable(app: App, *, now: datetime) -> None:
    """Nothing starts the app any more; what waits is cancelled, what runs goes on."""
    app.is_enabled, app.is_on_trial = False, False
    plan_next(app, now=now)
    app.save(update_fields=SWITCH_FIELDS)
    cancel_queued(app.pk, now=now, cause="The app was disabled.")


def waits_for_removal(app: App) -> str:
    """Why an app that is to be removed is left alone."""
    return (
        f"{app.code} is to be removed on {app.remove_after:%Y-%m-%d}; "
        f"cancel that first: manage.py app remove {app.code} --cancel"
    )
