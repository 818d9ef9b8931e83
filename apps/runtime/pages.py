"""What the page of a run says: read here, shown by `templates/runtime/`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.contrib.admin import site
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts.policy import may
from apps.logs.models import Log
from apps.quality.models import Measurement
from apps.records.models import DataTable
from apps.runtime.command_steps import SEES as MAY_SEE_COMMANDS
from apps.runtime.command_steps import CommandLine, commands_of_run, with_steps
from apps.runtime.http_page import HttpPage, http_page
from apps.runtime.limits import describe_limits
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.stages import Stage, Try, stages_of, tries_of

TAIL = 200

#: What each stage of a stop means (`Runtime.stop_stage`).
STOP_STAGES = {
    "asked": gettext_noop("asked to stop"),
    "grace": gettext_noop("has time to tidy up"),
    "killed": gettext_noop("was killed"),
    "verified": gettext_noop("nothing of it is alive"),
}

#: What a state means for somebody who did not write the platform; said where the run itself gave no cause.
MEANINGS = {
    State.QUEUED: gettext_noop("Waits for a manager with a free slot."),
    State.STARTING: gettext_noop("Its process is being started."),
    State.RUNNING: gettext_noop("Is collecting."),
    State.STOPPING: gettext_noop("Was asked to stop and is tidying up."),
    State.SUCCEEDED: gettext_noop("Ran to its end."),
    State.FAILED: gettext_noop("Failed, and left no cause; the log below may tell."),
    State.STOPPED: gettext_noop("Was stopped."),
    State.TIMED_OUT: gettext_noop("Ran longer than its app allows."),
    State.CRASHED: gettext_noop("Its process ended without a word."),
    State.SKIPPED: gettext_noop("Was not started."),
    State.CANCELLED: gettext_noop("Was cancelled before it began."),
}


@dataclass(frozen=True, slots=True)
class TableLink:
    """A table of the app, and where its rows that this run touched are listed."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Everything the page shows."""

    run: Runtime
    measured_at: datetime
    sentence: str
    cause_url: str
    """The line of the log that tells most about the cause; empty where there is none."""
    waited_s: float | None
    took_s: float | None
    stages: list[Stage]
    tries: list[Try]
    changed: int | None
    """Rows that took the place of another version; None where that was not counted."""
    tables: list[TableLink]
    commands: list[CommandLine]
    started_by: str
    lines: list[Log]
    has_earlier_lines: bool
    may_read_log: bool
    http: HttpPage | None
    signal_name: str
    attempt: str
    stop_stage: str
    limits: list[tuple[str, str]] | None
    """Those the run had; None where that is not known."""

    @property
    def is_open(self) -> bool:
        """Whether the run may still change, so that the page asks again."""
        return not self.run.has_ended

    @property
    def may_be_stopped(self) -> bool:
        """Whether stopping it would do anything."""
        return self.run.state in (State.QUEUED, *LIVE)


def run_page(run: Runtime, request: HttpRequest, *, now: datetime) -> RunPage:
    """Read what the page of `run` shows to who asks."""
    may_read_log = may(request.user, "logs.view_log", run)
    lines = list(Log.objects.filter(runtime=run).order_by("-line_number")[: TAIL + 1]) if may_read_log else []
    begun = run.started_at or run.ended_at or now
    commands = commands_of_run(run)
    return RunPage(
        run=run,
        measured_at=now,
        sentence=run.cause or _(MEANINGS[State(run.state)]),
        cause_url=_cause_url(run, lines) if may_read_log else "",
        waited_s=(begun - run.queued_at).total_seconds(),
        took_s=((run.ended_at or now) - run.started_at).total_seconds() if run.started_at else None,
        stages=stages_of(run, now=now),
        tries=tries_of(run, now=now),
        changed=Measurement.objects.filter(runtime=run.pk).aggregate(sum=Sum("changed"))["sum"],
        tables=table_links(run, request),
        commands=with_steps(commands) if may(request.user, MAY_SEE_COMMANDS, run) else [],
        started_by=next((str(one.issuer) for one in commands if one.verb == Command.Verb.START and one.issuer), ""),
        lines=lines[:TAIL][::-1],
        has_earlier_lines=len(lines) > TAIL,
        may_read_log=may_read_log,
        http=http_page(run.http_summary),
        signal_name=_signal_name(run.signal),
        attempt=_attempt(run),
        stop_stage=_(STOP_STAGES[run.stop_stage]) if run.stop_stage in STOP_STAGES else run.stop_stage,
        limits=describe_limits(run),
    )


def _cause_url(run: Runtime, newest_first: Sequence[Log]) -> str:
    """Its last error; that is near the end of the log, or the log is asked for errors."""
    log_url = reverse("admin:run_log_page", args=[run.pk])
    for line in newest_first:
        if line.level >= Log.Level.ERROR and line.line_number is not None:
            return f"{log_url}#L{line.line_number}"
    has_errors = any(run.log_counts.get(level) for level in ("ERROR", "CRITICAL"))
    return f"{log_url}?levels={Log.Level.ERROR},{Log.Level.CRITICAL}" if has_errors else ""


def _attempt(run: Runtime) -> str:
    tries = run.app.retry_attempts + 1
    text = _("the only one")
    if tries > 1 or run.attempt > 1:
        text = _("%(attempt)s of %(tries)s") % {"attempt": run.attempt, "tries": max(tries, run.attempt)}
    return (
        _("%(attempt)s, on trial: its end decides whether the app stays enabled") % {"attempt": text}
        if run.is_trial
        else text
    )


def table_links(run: Runtime, request: HttpRequest) -> list[TableLink]:
    """The tables in the room of the run's app that who asks may open; none while the room is not here, or is broken."""
    try:
        room = apps.get_app_config(run.app.info.label)
    except LookupError:
        return []
    links = []
    for model in room.get_models():
        if issubclass(model, DataTable) and site.is_registered(model):
            if not site.get_model_admin(model).has_view_permission(request):
                continue
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            links.append(TableLink(str(model._meta.verbose_name_plural), f"{url}?rows=all&run={run.pk}"))
    return links


def _signal_name(number: int | None) -> str:
    if number is None:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return _("signal %(number)s") % {"number": number}
