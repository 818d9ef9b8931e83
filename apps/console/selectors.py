"""What the home page and the page of an app say: one look across all apps, in few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Window

from apps.accounts.policy import may, narrow
from apps.console.tables import page_errors
from apps.registry.models import App
from apps.runtime.models import LIVE, Runtime, State
from collectors.discovery import installed_rooms

OPEN = (State.QUEUED, *LIVE)
WRONG = (State.FAILED, State.CRASHED, State.TIMED_OUT)
#: States that say how collecting went; a skipped or cancelled run says nothing about it.
TELLING = (State.SUCCEEDED, State.STOPPED, *WRONG)

APPS_SHOWN = 20
RUNS_SHOWN = 10
DUE_SHOWN = 8
STRIP = 20


@dataclass(frozen=True, slots=True)
class BrokenRoom:
    """A room that could not be imported, or whose own page could not."""

    app_code: str
    error: str
    is_usable: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours."""

    runs: int
    succeeded: int
    wrong: int
    inserted: int
    archived: int

    @property
    def success_percent(self) -> int | None:
        """Of the runs that ended; None when none did."""
        return 100 * self.succeeded // self.runs if self.runs else None


@dataclass(slots=True)
class AppLine:
    """An app with its newest runs, oldest first."""

    app: App
    runs: list[Runtime] = field(default_factory=list)

    @property
    def last(self) -> Runtime | None:
        """Its newest run."""
        return self.runs[-1] if self.runs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """Everything the home page shows."""

    measured_at: datetime
    day: Day
    broken_rooms: list[BrokenRoom]
    disabled: list[App]
    """Apps that the platform disabled by itself."""
    failures: list[Runtime]
    """The last run of each app whose last run went wrong, those of `disabled` left out."""
    live: list[Runtime]
    recent: list[Runtime]
    due: list[App]
    lines: list[AppLine]
    app_count: int

    @property
    def needs_somebody(self) -> bool:
        """Whether anything waits for a person."""
        return bool(self.broken_rooms or self.disabled or self.failures)


def home_page(*, now: datetime, asker: Any) -> HomePage:
    """Read the home page, as far as `asker` sees apps and runs."""
    apps = narrow(asker, "registry.view_app", App.objects.all())
    runs = narrow(asker, "runtime.view_runtime", Runtime.objects.select_related("app"))
    # Counted in the same query: the order takes a look at every app anyway.
    shown = list(newest_first(apps.annotate(app_count=Window(Count("*"))))[:APPS_SHOWN])
    return HomePage(
        measured_at=now,
        day=_day(now, runs),
        broken_rooms=[room for room in broken_rooms() if may(asker, "registry.view_app", room.app_code)],
        disabled=list(apps.exclude(fatal=App.Fatal.NONE).order_by("-fatal_at", "code")[:50]),
        failures=_failures(apps, runs),
        live=list(runs.filter(state__in=OPEN).order_by("queued_at", "id")[:50]),
        # "not open" rather than "ended": almost every run has ended, so the index by time is the one to walk.
        recent=list(runs.exclude(state__in=OPEN).order_by("-queued_at", "-id")[:RUNS_SHOWN]),
        due=list(apps.filter(is_enabled=True, next_run_at__isnull=False).order_by("next_run_at")[:DUE_SHOWN]),
        lines=strips(shown, STRIP),
        app_count=shown[0].app_count if shown else 0,  # type: ignore[attr-defined]
    )


def broken_rooms() -> list[BrokenRoom]:
    """Rooms whose code this process could not load."""
    broken = [
        BrokenRoom(room.room.info.code, room.import_error, is_usable=False)
        for room in installed_rooms()
        if room.import_error
    ]
    return [*broken, *(BrokenRoom(code, error, is_usable=True) for code, error in page_errors.items())]


def newest_first(apps: QuerySet[App]) -> QuerySet[App]:
    """Apps by their newest run; those that never ran come last."""
    newest = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at").values("queued_at")[:1]
    return apps.annotate(newest_at=Subquery(newest)).order_by(F("newest_at").desc(nulls_last=True), "code")


def strips(apps: Sequence[App], length: int) -> list[AppLine]:
    """The newest `length` runs of each app, in one query that walks the index (app, queued_at)."""
    lines = {app.pk: AppLine(app) for app in apps}
    if not lines:
        return []
    nth = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at").values("queued_at")
    since = App.objects.filter(pk__in=lines).annotate(since=Subquery(nth[length - 1 : length]))
    wanted = Q()
    for pk, moment in since.values_list("pk", "since"):
        wanted |= Q(app=pk) if moment is None else Q(app=pk, queued_at__gte=moment)
    found: dict[int, list[Runtime]] = defaultdict(list)
    for run in Runtime.objects.filter(wanted).order_by("-queued_at", "-id"):
        if len(found[run.app_id]) < length:
            found[run.app_id].append(run)
    for pk, runs in found.items():
        lines[pk].runs = runs[::-1]
    return list(lines.values())


def _failures(apps: QuerySet[App], runs: QuerySet[Runtime]) -> list[Runtime]:
    """Apps whose last telling run went wrong, as that run; without those that the platform disabled for it."""
    last = Runtime.objects.filter(app=OuterRef("pk"), state__in=TELLING).order_by("-queued_at", "-id").values("pk")[:1]
    last_runs = apps.filter(fatal=App.Fatal.NONE).annotate(last_run=Subquery(last)).values("last_run")
    return list(runs.filter(pk__in=last_runs, state__in=WRONG).order_by("-queued_at")[:50])


def _day(now: datetime, runs: QuerySet[Runtime]) -> Day:
    runs = runs.select_related(None).filter(queued_at__gte=now - timedelta(days=1), state__in=TELLING)
    numbers = runs.aggregate(
        runs=Count("pk"),
        succeeded=Count("pk", filter=Q(state=State.SUCCEEDED)),
        wrong=Count("pk", filter=Q(state__in=WRONG)),
        inserted=Sum("rows_inserted", default=0),
        archived=Sum("rows_archived", default=0),
    )
    return Day(**numbers)
