"""What the page of a watched function says: read here, shown by `templates/runtime/functions/`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.templatetags.functions import ms

#: Runs in the chart and the table of a function.
RUNS_SHOWN = 100
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 220, 64, 12, 10, 24


@dataclass(frozen=True, slots=True)
class Dot:
    """A run in the chart."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure over the runs; `points` is what an SVG polyline wants."""

    name: str
    points: str
    dots: list[Dot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The geometry of the chart, in its own units."""

    curves: list[Curve]
    ticks: list[tuple[float, str]]
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class FunctionPage:
    """Everything the page of a function shows; the newest run comes first."""

    function: AppFunction
    logs: list[FunctionLog]
    chart: Chart | None


def function_page(function: AppFunction) -> FunctionPage:
    """Read what the page of `function` shows."""
    logs = list(
        FunctionLog.objects.filter(function=function)
        .select_related("runtime", "parent")
        .defer("sketch", "callers", "parent__sketch", "runtime__args", "runtime__log_counts")
        .order_by("-first_start_at", "-id")[:RUNS_SHOWN]
    )
    return FunctionPage(function, logs, _chart([log for log in reversed(logs) if log.p95_ms is not None]))


def _chart(logs: Sequence[FunctionLog]) -> Chart | None:
    """The chart of these runs, oldest first; None where one cannot see a trend yet."""
    if len(logs) < 2:
        return None
    top = _round_up(max(log.p95_ms or 0.0 for log in logs))
    step = (WIDTH - LEFT - RIGHT) / (len(logs) - 1)

    def height(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)

    curves = []
    for name, values in (("p50", [log.p50_ms for log in logs]), ("p95", [log.p95_ms for log in logs])):
        dots = [
            Dot(round(LEFT + step * place, 1), height(value or 0.0), f"{name} {ms(value)}, run {log.runtime_id[:8]}")
            for place, (log, value) in enumerate(zip(logs, values, strict=True))
        ]
        curves.append(Curve(name, " ".join(f"{dot.x},{dot.y}" for dot in dots), dots))
    ticks = [(height(share * top), ms(share * top)) for share in (0.0, 0.5, 1.0)]
    first, last = (f"{timezone.localtime(log.first_start_at):%Y-%m-%d %H:%M}" for log in (logs[0], logs[-1]))
    return Chart(curves=curves, ticks=ticks, first=first, last=last)


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))
