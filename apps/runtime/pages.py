"""What the page of a run says: read here, shown by `templates/runtime/`."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.urls import NoReverseMatch, reverse

from apps.logs.models import Log
from apps.records.models import DataTable
from apps.runtime.limits import describe_limits
from apps.runtime.models import LIVE, Command, Runtime, State

TAIL = 200

#: What each stage of a stop means (`Runtime.stop_stage`).
STOP_STAGES = {
    "asked": "asked to stop",
    "grace": "has time to tidy up",
    "killed": "was killed",
    "verified": "nothing of it is alive",
}

#: What a state means for somebody who did not write the platform; said where the run itself gave no cause.
MEANINGS = {
    State.QUEUED: "Waits for a manager with a free slot.",
    State.STARTING: "Its process is being started.",
    State.RUNNING: "Is collecting.",
    State.STOPPING: "Was asked to stop and is tidying up.",
    State.SUCCEEDED: "Ran to its end.",
    State.FAILED: "Failed, and left no cause; the log below may tell.",
    State.STOPPED: "Was stopped.",
    State.TIMED_OUT: "Ran longer than its app allows.",
    State.CRASHED: "Its process ended without a word.",
    State.SKIPPED: "Was not started.",
    State.CANCELLED: "Was cancelled before it began.",
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
    waited_s: float | None
    took_s: float | None
    tables: list[TableLink]
    commands: list[Command]
    lines: list[Log]
    has_earlier_lines: bool
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


def run_page(run: Runtime, *, now: datetime) -> RunPage:
    """Read what the page of `run` shows."""
    lines = list(Log.objects.filter(runtime=run).order_by("-line_number")[: TAIL + 1])
    begun = run.started_at or run.ended_at or now
    return RunPage(
        run=run,
        measured_at=now,
        sentence=run.cause or MEANINGS[State(run.state)],
        waited_s=(begun - run.queued_at).total_seconds(),
        took_s=((run.ended_at or now) - run.started_at).total_seconds() if run.started_at else None,
        tables=table_links(run),
        commands=list(run.commands.select_related("issuer").order_by("created_at", "id")[:20]),
        lines=lines[:TAIL][::-1],
        has_earlier_lines=len(lines) > TAIL,
        signal_name=_signal_name(run.signal),
        attempt=_attempt(run),
        stop_stage=STOP_STAGES.get(run.stop_stage, run.stop_stage),
        limits=describe_limits(run),
    )


def _attempt(run: Runtime) -> str:
    tries = run.app.retry_attempts + 1
    text = f"{run.attempt} of {max(tries, run.attempt)}" if tries > 1 or run.attempt > 1 else "the only one"
    return f"{text}, on trial: its end decides whether the app stays enabled" if run.is_trial else text


def table_links(run: Runtime) -> list[TableLink]:
    """The tables in the room of the run's app; none while the room is not on this machine, or is broken."""
    try:
        room = apps.get_app_config(run.app.info.label)
    except LookupError:
        return []
    links = []
    for model in room.get_models():
        if issubclass(model, DataTable):
            try:
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            except NoReverseMatch:
                continue
            links.append(TableLink(str(model._meta.verbose_name_plural), f"{url}?rows=all&run={run.pk}"))
    return links


def _signal_name(number: int | None) -> str:
    if number is None:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
