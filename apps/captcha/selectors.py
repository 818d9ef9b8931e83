"""Reads: what was spent, on what, and how well sites were solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from apps.captcha.budget import ALL, today
from apps.captcha.models import Budget, Kind, Solve, Spending

State = Solve.State
WEEK = timedelta(days=7)
#: What a provider took, or may have taken; the rest was refused before it cost anything.
BOUGHT = ~Q(task_id="") | Q(state=State.UNKNOWN)
MOST = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A sum over purchases."""

    name: str
    count: int
    ready: int
    cost: Decimal
    estimated: Decimal = Decimal(0)
    """Of it what no provider has confirmed: reserved, timed out, unknown, or tried in vain."""

    @property
    def percent(self) -> int:
        """The share that was solved."""
        return round(100 * self.ready / self.count) if self.count else 0


@dataclass(frozen=True, slots=True)
class Report:
    """A day."""

    day: date
    all: Line
    apps: Sequence[Line] = field(default_factory=tuple)
    kinds: Sequence[Line] = field(default_factory=tuple)
    solvers: Sequence[Line] = field(default_factory=tuple)
    states: dict[str, int] = field(default_factory=dict)


def report_of(day: date, rows: QuerySet[Solve] | None = None) -> Report:
    """What was bought on a day; of `rows`, or of everything."""
    rows = (Solve.objects.all() if rows is None else rows).filter(day=day)
    states = dict(rows.order_by().values_list("state").annotate(Count("pk")))
    kinds = [_named(line, str(Kind(line.name).word)) for line in _lines(rows, "kind")]
    whole = _lines(rows, "day")
    total = _named(whole[0], "all") if whole else Line("all", 0, 0, Decimal(0))
    return Report(day, total, _lines(rows, "app_code"), kinds, _lines(rows, "provider"), states)


def sites_of(rows: QuerySet[Solve], *, now: datetime) -> list[Line]:
    """How well sites were solved in the last seven days, those with the most purchases first."""
    recent = rows.filter(day__gt=today(now) - WEEK).exclude(site="").exclude(state__in=Solve.OPEN)
    return sorted(_lines(recent, "site"), key=lambda line: -line.count)[:MOST]


def _lines(rows: QuerySet[Solve], by: str) -> list[Line]:
    known = Q(is_cost_known=True)
    sums = (
        rows.order_by()
        .values(by)
        .annotate(
            count=Count("pk", filter=BOUGHT),
            ready=Count("pk", filter=Q(state=State.READY)),
            sum=Sum("cost"),
            open=Sum("cost", filter=~known),
        )
    )
    found = [
        Line(str(each[by]), each["count"], each["ready"], each["sum"] or Decimal(0), each["open"] or Decimal(0))
        for each in sums
    ]
    return sorted(found, key=lambda line: (-line.cost, line.name))


def _named(line: Line, name: str) -> Line:
    return Line(name, line.count, line.ready, line.cost, line.estimated)


def spent_today(*, now: datetime) -> dict[str, Decimal]:
    """App code -> what it has spent today; "" is everything."""
    return dict(Spending.objects.filter(day=today(now)).values_list("app_code", "spent"))


def with_spending(rows: QuerySet[Budget], *, now: datetime) -> QuerySet[Budget]:
    """Budgets with `spent_today`, which is None where nothing was."""
    spending = Spending.objects.filter(app_code=Coalesce(OuterRef("app__code"), Value(ALL)), day=today(now))
    return rows.annotate(spent_today=Subquery(spending.values("spent")[:1]))


def exhausted(*, now: datetime) -> list[tuple[Budget, Decimal]]:
    """The budgets of which nothing is left for another captcha today, and what was spent."""
    spent = spent_today(now=now)
    if not any(spent.values()):
        return []
    budgets = Budget.objects.select_related("app").order_by(F("app__code").asc(nulls_first=True))
    return [
        (budget, used)
        for budget in budgets
        if (used := spent.get(budget.app.code if budget.app else ALL, Decimal(0))) > 0 and used + LEAST > budget.per_day
    ]


#: The cheapest captcha: with less than this left, nothing can be bought.
LEAST = Decimal("0.0005")


def as_json(report: Report) -> dict[str, Any]:
    """A report for programs."""

    def line(one: Line) -> dict[str, Any]:
        return {
            "name": one.name,
            "count": one.count,
            "ready": one.ready,
            "cost": str(one.cost),
            "estimated": str(one.estimated),
        }

    return {
        "day": report.day.isoformat(),
        "all": line(report.all),
        "apps": [line(one) for one in report.apps],
        "kinds": [line(one) for one in report.kinds],
        "solvers": [line(one) for one in report.solvers],
        "states": report.states,
    }
