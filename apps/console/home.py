"""What Home says: one look across all apps, in few queries, however many runs there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Window
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import narrow
from apps.console.selectors import AppLine, newest_first, strips
from apps.core.attention import Look, Need, gather
from apps.core.charts import Chart, Series, Usual, chart_of, usual_of
from apps.core.templatetags.facts import number
from apps.registry.models import App
from apps.runtime.days import Days, Sums, read_days
from apps.runtime.models import LIVE, Runtime, State

OPEN = (State.QUEUED, *LIVE)
DAY = timedelta(days=1)
APPS_SHOWN = 20
RUNS_SHOWN = 10
LIVE_SHOWN = 12
DUE_SHOWN = 8
STRIP = 20
CHART_WIDTH = 560


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure of every day, with what is usual, and today so far."""

    chart: Chart | None
    usual: str
    """What is usual, in words; empty where nobody knows yet."""
    today: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """Everything that Home shows."""

    measured_at: datetime
    since: datetime | None
    """When the visit before this one ended."""
    needs: list[Need]
    live: list[Runtime]
    live_count: int
    recent: list[Runtime]
    due: list[App]
    due_count: int
    lines: list[AppLine]
    app_count: int
    days: Days
    uncounted: int
    """Days of the trends that nobody has counted yet."""
    success: Trend
    rows: Trend

    @property
    def new_count(self) -> int:
        """What came since the last visit, of all that is shown."""
        return sum(need.new_count for need in self.needs)


def home_page(*, now: datetime, asker: Any, since: datetime | None = None) -> HomePage:
    """Read Home, as far as `asker` sees apps and runs. `since`: when they were here before."""
    apps = narrow(asker, "registry.view_app", App.objects.all())
    runs = narrow(asker, "runtime.view_runtime", Runtime.objects.select_related("app"))
    # Counted in the same query: the order takes a look at every app anyway.
    shown = list(newest_first(apps.annotate(app_count=Window(Count("*"))))[:APPS_SHOWN])
    live, live_count = _counted(runs.filter(state__in=OPEN).order_by("queued_at", "id"), LIVE_SHOWN)
    planned = apps.filter(is_enabled=True, next_run_at__isnull=False, next_run_at__lt=now + DAY)
    due, due_count = _counted(planned.order_by("next_run_at", "pk"), DUE_SHOWN)
    days = read_days(now=now, asker=asker)
    return HomePage(
        measured_at=now,
        since=since,
        needs=gather(Look(asker=asker, now=now, since=since)),
        live=live,
        live_count=live_count,
        # "not open" rather than "ended": almost every run has ended, so the index by time is the one to walk.
        recent=list(runs.exclude(state__in=OPEN).order_by("-queued_at", "-id")[:RUNS_SHOWN]),
        due=due,
        due_count=due_count,
        lines=strips(shown, STRIP),
        app_count=shown[0].app_count if shown else 0,  # type: ignore[attr-defined]
        days=days,
        uncounted=sum(sums is None for _day, sums in days.past),
        success=_success(days),
        rows=_rows(days),
    )


def _counted(rows: QuerySet[Any], most: int) -> tuple[list[Any], int]:
    """The first rows, and how many there are."""
    found = list(rows.annotate(all_count=Window(Count("*")))[:most])
    return found, found[0].all_count if found else 0


def _success(days: Days) -> Trend:
    known = [(day, sums, sums.success_percent) for day, sums in days.past if sums is not None]
    points = [(day, sums, share) for day, sums, share in known if share is not None]
    usual = usual_of([share for _day, _sums, share in points])
    titles = [f"{day}: {share} % " + _of_runs(sums) for day, sums, share in points]
    bad = [usual is not None and share < usual.low for _day, _sums, share in points]
    chart = None
    if len(points) > 1:
        chart = chart_of(
            [Series(_("success"), [share for _day, _sums, share in points], titles, bad)],
            tick=lambda value: f"{value:.0f} %", first=f"{points[0][0]}", last=f"{points[-1][0]}", top=100.0,
            usual=usual, width=CHART_WIDTH,
        )  # fmt: skip
    share = days.today.success_percent
    return Trend(
        chart,
        _usually(usual, "{:.0f} %"),
        "-" if share is None else f"{share} % " + _of_runs(days.today),
    )


def _rows(days: Days) -> Trend:
    known = [(day, sums) for day, sums in days.past if sums is not None]
    # Days before the first run say nothing about what is usual.
    first = next((place for place, (_day, sums) in enumerate(known) if sums.runs), len(known))
    points = known[first:]
    usual = usual_of([sums.inserted for _day, sums in points])
    titles = [f"{day}: " + _rows_text(sums) for day, sums in points]
    bad = [usual is not None and usual.word(sums.inserted) == "less" for _day, sums in points]
    chart = None
    if len(points) > 1:
        chart = chart_of(
            [Series(_("rows"), [sums.inserted for _day, sums in points], titles, bad)],
            tick=number, first=f"{points[0][0]}", last=f"{points[-1][0]}", usual=usual, width=CHART_WIDTH,
        )  # fmt: skip
    return Trend(chart, _usually(usual, "{:.0f}"), _rows_text(days.today))


def _of_runs(sums: Sums) -> str:
    return ngettext("of %(count)s run", "of %(count)s runs", sums.runs) % {"count": number(sums.runs)}


def _rows_text(sums: Sums) -> str:
    return _("%(inserted)s inserted, %(archived)s archived") % {
        "inserted": number(sums.inserted),
        "archived": number(sums.archived),
    }


def _usually(usual: Usual | None, form: str) -> str:
    if usual is None:
        return ""
    low, high = (number(value) if form == "{:.0f}" else form.format(value) for value in (usual.low, usual.high))
    return _("usually %(low)s to %(high)s") % {"low": low, "high": high}
