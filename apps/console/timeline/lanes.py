"""What a timeline shows: apps by pages, their runs in a range, when they are due. Where runs are too many it folds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Count, Exists, Func, OuterRef, Q, QuerySet, Subquery, Window

from apps.accounts.policy import narrow
from apps.console.timeline.span import Span
from apps.registry.cron import BadSchedule
from apps.registry.models import App
from apps.registry.schedules import next_due_times
from apps.runtime.days import WRONG
from apps.runtime.models import LIVE, Runtime, State

OPEN = (State.QUEUED, *LIVE)
#: Lanes of a page; runs of a lane that are drawn one by one; beyond that, slices of the range.
LANES, BARS, SLICES = 20, 150, 120
#: Among so many runs that were queued before the range, those that reach into it are looked for.
BEFORE = 50
PLANNED = 20
#: Runs at the same time lie below each other, in so many rows at most.
ROWS = 4
STATES: dict[str, tuple[State, ...]] = {
    "wrong": WRONG,
    "open": OPEN,
    **{state.value.lower(): (state,) for state in (State.SUCCEEDED, State.STOPPED, State.SKIPPED)},
}
_COLUMNS = ("pk", "app_id", "state", "queued_at", "started_at", "ended_at")


@dataclass(slots=True)
class Bar:
    """A run; `row` is which of the rows of its lane it lies in."""

    run_id: str
    state: State
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    row: int = 0


@dataclass(slots=True)
class Slice:
    """Runs that were queued in a part of the range, counted."""

    begin: datetime
    end: datetime
    count: int = 0
    wrong: int = 0


@dataclass(slots=True)
class Lane:
    """An app in the range."""

    app: App
    bars: list[Bar] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    planned: list[datetime] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Runs in the range."""
        return len(self.bars) + sum(piece.count for piece in self.slices)

    @property
    def wrong(self) -> int:
        """Those that went wrong."""
        return sum(bar.state in WRONG for bar in self.bars) + sum(piece.wrong for piece in self.slices)

    @property
    def row_count(self) -> int:
        """Rows that its bars take."""
        return max((bar.row for bar in self.bars), default=0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which apps and which runs."""

    text: str = ""
    group: str = ""
    state: str = ""
    with_idle: bool = False
    page: int = 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of lanes."""

    span: Span
    now: datetime
    lanes: Sequence[Lane]
    lane_count: int
    wanted: Wanted

    @property
    def pages(self) -> int:
        """How many pages of lanes there are."""
        return max(1, -(-self.lane_count // LANES))

    @property
    def is_folded(self) -> bool:
        """Whether a lane had too many runs to draw each."""
        return any(lane.slices for lane in self.lanes)


def read_timeline(span: Span, wanted: Wanted, *, asker: Any, now: datetime) -> Timeline:
    """Read a page of it, as far as `asker` sees apps and runs."""
    apps = narrow(asker, "registry.view_app", App.objects.all())
    runs = narrow(asker, "runtime.view_runtime", Runtime.objects.order_by())
    if wanted.state in STATES:
        runs = runs.filter(state__in=STATES[wanted.state])
    rows = _chosen(apps, runs, span, wanted).annotate(lane_count=Window(Count("*"))).order_by("code")
    first = LANES * (wanted.page - 1)
    lanes = {app.pk: Lane(app) for app in rows[first : first + LANES]}
    if lanes:
        _fill(lanes, runs, span, now)
    count = next(iter(lanes.values())).app.lane_count if lanes else 0  # type: ignore[attr-defined]
    return Timeline(span, now, list(lanes.values()), count, wanted)


def _chosen(apps: QuerySet[App], runs: QuerySet[Runtime], span: Span, wanted: Wanted) -> QuerySet[App]:
    if wanted.text:
        apps = apps.filter(code__icontains=wanted.text)
    if wanted.group:
        apps = apps.filter(parent__group__name=wanted.group)
    if wanted.with_idle and not wanted.state:
        return apps
    of_app = runs.filter(app=OuterRef("pk"))
    shown = Q(Exists(of_app.filter(queued_at__gte=span.begin, queued_at__lt=span.end)))
    shown |= Q(Exists(of_app.filter(queued_at__lt=span.begin, state__in=OPEN)))
    if not wanted.state:
        shown |= Q(is_enabled=True, next_run_at__gte=span.begin, next_run_at__lt=span.end)
    return apps.filter(shown)


def _fill(lanes: dict[int, Lane], runs: QuerySet[Runtime], span: Span, now: datetime) -> None:
    within = runs.filter(app__in=lanes, queued_at__gte=span.begin, queued_at__lt=span.end)
    counts = dict(within.values_list("app").annotate(Count("pk")))
    few = [app for app in lanes if counts.get(app, 0) <= BARS]
    for row in (*_reaching_in(lanes, runs, span), *within.filter(app__in=few).values_list(*_COLUMNS)):
        run_id, app, state, *moments = row
        lanes[app].bars.append(Bar(run_id, State(state), *moments))
    many = [app for app in lanes if app not in few]
    if many:
        _fold(lanes, within.filter(app__in=many), span)
    for lane in lanes.values():
        _stack(lane.bars, now)
        lane.planned = _planned(lane.app, span, now)


def _reaching_in(lanes: Iterable[int], runs: QuerySet[Runtime], span: Span) -> Iterable[tuple[Any, ...]]:
    """Runs that were queued before the range and had not ended when it began."""
    earlier = Runtime.objects.filter(app=OuterRef("pk"), queued_at__lt=span.begin).order_by("-queued_at")
    nth = earlier.values("queued_at")[BEFORE - 1 : BEFORE]
    wanted = Q(pk__in=[])
    for app, since in App.objects.filter(pk__in=lanes).annotate(since=Subquery(nth)).values_list("pk", "since"):
        wanted |= Q(app=app) if since is None else Q(app=app, queued_at__gte=since)
    lasting = Q(ended_at__isnull=True) | Q(ended_at__gte=span.begin)
    return runs.filter(wanted, lasting, queued_at__lt=span.begin).values_list(*_COLUMNS)


class _Epoch(Func):
    """A moment as seconds."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)", **extra
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(FLOOR(EXTRACT(EPOCH FROM %(expressions)s)) AS BIGINT)", **extra
        )


def _fold(lanes: dict[int, Lane], runs: QuerySet[Runtime], span: Span) -> None:
    start = int(span.begin.timestamp())
    width = max(1, -(-int(span.length.total_seconds()) // SLICES))
    slices: dict[tuple[int, int], Slice] = {}
    sliced = runs.annotate(slice=(_Epoch("queued_at") - start) / width)
    counted = sliced.values_list("app_id", "slice", "state").annotate(Count("pk")).order_by("app_id", "slice")
    for app, number, state, count in counted:
        key = (app, int(number))
        if key not in slices:
            begin = datetime.fromtimestamp(start + key[1] * width, tz=UTC)
            slices[key] = Slice(begin, min(span.end, begin + timedelta(seconds=width)))
            lanes[app].slices.append(slices[key])
        slices[key].count += count
        slices[key].wrong += count if state in WRONG else 0


def _stack(bars: list[Bar], now: datetime) -> None:
    """Put bars that overlap below each other."""
    bars.sort(key=lambda bar: (bar.queued_at, bar.run_id))
    free_from: dict[int, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=now.tzinfo))
    for bar in bars:
        bar.row = next((row for row in range(ROWS) if free_from[row] <= bar.queued_at), ROWS - 1)
        free_from[bar.row] = max(free_from[bar.row], bar.ended_at or now)


def _planned(app: App, span: Span, now: datetime) -> list[datetime]:
    if not app.is_enabled or app.next_run_at is None or span.end <= now:
        return []
    try:
        due = next_due_times(app, after=now, count=PLANNED)
    except BadSchedule:
        return []
    return [moment for moment in due if span.holds(moment)]
