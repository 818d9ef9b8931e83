"""What follows from the end of a run, in the transaction of its terminal move: never twice, never forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from apps.registry.cron import BadSchedule
from apps.registry.models import App
from apps.registry.schedules import PLAN_FIELDS, plan_next
from apps.runtime import messages
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.open_commands import finish_commands, open_starts
from apps.runtime.queueing import queue_run
from apps.runtime.verdicts import JUDGED, RETRY_LATER, has_failed, is_blocked, is_counted, may_retry

log = structlog.get_logger("runtime")

#: What enabling and disabling an app changes.
SWITCH_FIELDS = (
    "is_enabled",
    "is_on_trial",
    "failures_in_a_row",
    "fatal",
    "fatal_reason",
    "fatal_at",
    *PLAN_FIELDS,
    "modified_at",
)


def follow(run: Runtime, *, now: datetime) -> bool:
    """Count the failure, try again, disable the app, tell somebody. `run` has just reached its terminal state.

    The row of the app has to be locked. True when the app was disabled: what waits for it is to be cancelled.
    """
    app = App.objects.get(pk=run.app_id)
    is_disabled = False
    if run.state in JUDGED and not run.is_dry_run:
        is_disabled = _failed(run, app, now) if has_failed(run) else _succeeded(run, app, now)
    elif run.is_trial and app.is_on_trial and not _tries_again(run, app):
        _switch_off(app, app.fatal, app.fatal_reason or "The trial run was ended before it could show anything.", now)
        is_disabled = True
    if run.state == State.SKIPPED:
        messages.tell_not_run(run, now=now)
    finish_commands(app, now=now)
    return is_disabled


def disable_app(app: App, *, fatal: App.Fatal, reason: str, now: datetime, run: Runtime | None = None) -> None:
    """The platform disables an app by itself, and says so. The row has to be locked."""
    _switch_off(app, fatal, reason, now)
    messages.tell_disabled(app, reason=reason, run=run, now=now)
    log.error("app.disabled", app=app.code, reason=reason)


def _succeeded(run: Runtime, app: App, now: datetime) -> bool:
    messages.tell_recovered(run, app, now=now)
    if app.failures_in_a_row:
        app.failures_in_a_row = 0
        app.save(update_fields=["failures_in_a_row", "modified_at"])
    if not app.is_on_trial:
        return False
    app.is_on_trial, app.fatal, app.fatal_reason, app.fatal_at = False, App.Fatal.NONE, "", None
    seen_version = app.schedule_version
    try:
        plan_next(app, now=now)
    except BadSchedule as error:
        disable_app(app, fatal=App.Fatal.BLOCKED, reason=str(error), now=now, run=run)
        return True
    # Nobody changed the schedule: a next run that this run sets itself still counts.
    app.schedule_version = seen_version
    app.save(update_fields=SWITCH_FIELDS)
    return False


def _failed(run: Runtime, app: App, now: datetime) -> bool:
    if is_counted(run):
        app.failures_in_a_row += 1
        app.save(update_fields=["failures_in_a_row", "modified_at"])
    fatal, reason = _fatal(run, app)
    if app.is_enabled and fatal != App.Fatal.NONE:
        disable_app(app, fatal=fatal, reason=reason, now=now, run=run)
        return True
    retry = _retry(run, app, now)
    messages.tell_failed(run, app, retry_at=retry.not_before if retry else None, now=now)
    return False


def _fatal(run: Runtime, app: App) -> tuple[App.Fatal, str]:
    cause = run.cause or f"The run {State(run.state).word}."
    is_later = run.error_category == RETRY_LATER
    if is_blocked(run):
        return App.Fatal.BLOCKED, f"Somebody has to repair something first: {cause}"
    if app.is_on_trial and (is_counted(run) or is_later) and not (is_later and may_retry(run, app)):
        return App.Fatal.FAILED, f"The trial run failed: {cause}"
    if is_counted(run) and app.disable_after and app.failures_in_a_row >= app.disable_after:
        count = app.failures_in_a_row
        times = "The run failed" if count == 1 else f"{count} runs in a row failed"
        return App.Fatal.FAILED, f"{times}. The last cause: {cause}"
    return App.Fatal.NONE, ""


def _retry(run: Runtime, app: App, now: datetime) -> Runtime | None:
    """The next try of a failed run; a run that waits already takes its place, or one that somebody has asked for."""
    is_repeat = run.is_trial and app.is_on_trial  # no fault of the app: the trial has not been held
    if not (may_retry(run, app) or is_repeat) or Runtime.objects.filter(app=app, state=State.QUEUED).exists():
        return None
    if open_starts(app.pk).exists():
        return None
    return queue_run(
        app,
        trigger=Runtime.Trigger.RETRY,
        now=now,
        args=run.args,
        limit=run.limit,
        attempt=run.attempt + 1,
        is_trial=is_repeat,
        not_before=now + timedelta(seconds=app.retry_interval_s),
    )


def _tries_again(run: Runtime, app: App) -> bool:
    """Whether something else of the app will decide the trial that this run did not."""
    others = Runtime.objects.filter(app=app, state__in=(State.QUEUED, *LIVE), is_dry_run=False).exclude(pk=run.pk)
    return others.exists() or open_starts(app.pk).exists()


def _switch_off(app: App, fatal: str, reason: str, now: datetime) -> None:
    app.is_enabled, app.is_on_trial = False, False
    if fatal != App.Fatal.NONE:
        app.fatal, app.fatal_reason, app.fatal_at = fatal, reason, now
    plan_next(app, now=now)
    app.save(update_fields=SWITCH_FIELDS)
