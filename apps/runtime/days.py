"""Counting the days that are over, and reading them with what today has brought so far.

A run belongs to the day on which it was queued. A day is counted when it is over, and again while a run of it is open;
managers do that a little at a time. So Home reads a row a day, however many runs there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from apps.accounts.policy import everywhere, narrow
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.day_models import RunDay
from apps.runtime.models import LIVE, Runtime, State

SHOWN_DAYS = 30
DAY = timedelta(days=1)
WRONG = (State.FAILED, State.CRASHED, State.TIMED_OUT)
#: States that say how collecting went; a skipped or cancelled run says nothing about it.
TELLING = (State.SUCCEEDED, State.STOPPED, *WRONG)
#: A manager counts for so long, then does something else.
TURN_S = 1.0
#: What the last day brought serves everybody who sees all apps for so long.
KEPT_S = 5.0
_SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "succeeded": Count("pk", filter=Q(state=State.SUCCEEDED)),
    "wrong": Count("pk", filter=Q(state__in=WRONG)),
    "inserted": Sum("rows_inserted", default=0),
    "archived": Sum("rows_archived", default=0),
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Runs of some time."""

    runs: int = 0
    succeeded: int = 0
    wrong: int = 0
    inserted: int = 0
    archived: int = 0

    @property
    def success_percent(self) -> int | None:
        """Of the runs that ended; None when none did."""
        return 100 * self.succeeded // self.runs if self.runs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The last day, and the days before."""

    measured_at: datetime
    last_day: Sums
    """The last 24 hours."""
    today: Sums
    past: Sequence[tuple[date, Sums | None]]
    """The days before today, oldest first; None for one that is not counted yet."""


def read_days(*, now: datetime, asker: Any) -> Days:
    """As far as `asker` sees runs. Who sees all of them shares what was read a moment ago."""
    if not everywhere(asker, "runtime.view_runtime"):
        apps = narrow(asker, "registry.view_app", App.objects.all())
        rows = RunDay.objects.filter(app__in=apps).values_list("day")
        summed = rows.annotate(*(Sum(name) for name in _SUMS)).order_by("day")
        return _read(now, narrow(asker, "runtime.view_runtime", Runtime.objects.all()), summed)
    with _lock:
        if not _kept or time.monotonic() - _kept[0][0] >= KEPT_S:
            whole = RunDay.objects.filter(app__isnull=True).values_list("day", *_SUMS)
            _kept[:] = [(time.monotonic(), _read(now, Runtime.objects.all(), whole))]
        return _kept[0][1]


_lock = threading.Lock()
_kept: list[tuple[float, Days]] = []


def forget() -> None:
    """Read anew the next time."""
    _kept.clear()


def _read(now: datetime, runs: QuerySet[Runtime], rows: QuerySet[RunDay, Any]) -> Days:
    today = timezone.localdate(now)
    first = today - SHOWN_DAYS * DAY
    known = {row[0]: Sums(*row[1:]) for row in rows.filter(day__gte=first, day__lt=today)}
    last = runs.filter(queued_at__gte=now - DAY, state__in=TELLING)
    whole = last.aggregate(**_SUMS)
    part = last.filter(queued_at__gte=_begin(today)).aggregate(**_SUMS)
    past = [first + number * DAY for number in range(SHOWN_DAYS)]
    return Days(
        measured_at=utc_now(),
        last_day=Sums(**whole),
        today=Sums(**part),
        past=[(day, known.get(day)) for day in past],
    )


def count_days(*, now: datetime, budget_s: float = TURN_S) -> int:
    """Count days that are over and not settled, the newest first, until the time is up. How many were counted."""
    today, until, counted = timezone.localdate(now), time.monotonic() + budget_s, 0
    settled = set(RunDay.objects.filter(app__isnull=True, is_settled=True).values_list("day", flat=True))
    for number in range(1, SHOWN_DAYS + 1):
        day = today - number * DAY
        if day not in settled and time.monotonic() < until:
            _count(day)
            counted += 1
    return counted


def _count(day: date) -> None:
    runs = Runtime.objects.filter(queued_at__gte=_begin(day), queued_at__lt=_begin(day + DAY))
    is_settled = not runs.filter(state__in=(State.QUEUED, *LIVE)).exists()
    telling = runs.filter(state__in=TELLING).order_by()
    by_app = [
        RunDay(day=day, app_id=app, is_settled=is_settled, **dict(zip(_SUMS, sums, strict=True)))
        for app, *sums in telling.values_list("app").annotate(**_SUMS)
    ]
    whole = RunDay(day=day, is_settled=is_settled)
    for row in by_app:
        for name in _SUMS:
            setattr(whole, name, getattr(whole, name) + getattr(row, name))
    try:
        with transaction.atomic():
            RunDay.objects.filter(day=day).delete()
            RunDay.objects.bulk_create([whole, *by_app], batch_size=500)
    except IntegrityError:
        return  # another manager counted it at the same moment, or one of its apps went away: the next turn is right


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, clock_time.min))
