"""What becomes of an app whose time has come: by its policies for overlap and for missed due times. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.registry.models import App
from apps.registry.schedules import MOST_MISSED, passed

#: A due time that nobody looked at for so long was missed, and is no longer simply late.
LATE = timedelta(seconds=60)
#: Of an app whose runs wait for each other, so many wait at most.
MOST_WAITING = 100


@dataclass(slots=True)
class Decision:
    """What becomes of one app whose time has come."""

    app: App
    run: list[datetime] = field(default_factory=list)
    skip: list[tuple[datetime, str]] = field(default_factory=list)
    replaces: bool = False
    next_due: datetime | None = None
    next_run: datetime | None = None
    fault: str = ""
    """Why its schedule cannot be followed."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The runs of an app that are queued or live: how many, and one of them."""

    count: int = 0
    example: str = ""


def decide(app: App, busy: Busy, *, now: datetime) -> Decision:
    """What to do about `app`, which is due, beside the runs it has."""
    decision = Decision(app)
    if app.kind != App.Kind.MANAGED:
        return decision
    try:
        came = passed(app, now=now)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one app, the others are due
        decision.fault = f"Its schedule cannot be followed: {error}"
        return decision
    decision.run, decision.next_due, decision.next_run = came.due, came.next_due, came.next_run
    _forget_missed(decision, now)
    if decision.run:
        _mind_overlap(decision, busy)
    return decision


def _forget_missed(decision: Decision, now: datetime) -> None:
    """Leave of the due times that came what the app wants to be made up for."""
    due, missed = decision.run, decision.app.missed
    is_late = now - due[-1] > LATE
    if missed == App.Missed.ALL and decision.app.overlap != App.Overlap.REPLACE:
        kept = due[-MOST_MISSED:]
    elif missed == App.Missed.NONE and is_late:
        kept = []
    else:
        kept = due[-1:]
    forgotten = due[: len(due) - len(kept)]
    decision.run = kept
    if forgotten and missed != App.Missed.ONCE:
        number = "More than 100 due times" if len(due) > MOST_MISSED else _count(len(forgotten))
        why = "at most 100 are made up for" if kept and missed == App.Missed.ALL else "the app forgets them"
        decision.skip.append((forgotten[-1], f"{number} passed while no clock looked; {why}."))


def _count(number: int) -> str:
    return "One due time" if number == 1 else f"{number} due times"


def _mind_overlap(decision: Decision, busy: Busy) -> None:
    app, room = decision.app, decision.app.max_parallel - busy.count
    match app.overlap:
        case App.Overlap.REPLACE:
            decision.replaces = room < 1
        case App.Overlap.SKIP if room < 1:
            _skip_all(decision, f"another run of the app ({busy.example}) was still queued or live")
        case App.Overlap.QUEUE if busy.count >= MOST_WAITING:
            _skip_all(decision, f"{busy.count} runs of the app were waiting already")


def _skip_all(decision: Decision, why: str) -> None:
    others = f"{_count(len(decision.run))} skipped: " if len(decision.run) > 1 else "Skipped: "
    decision.skip.append((decision.run[-1], f"{others}{why}."))
    decision.run = []
