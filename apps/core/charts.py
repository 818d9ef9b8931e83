"""Lines over time, as the geometry of an SVG that `templates/core/_chart.html` draws."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 220, 64, 12, 10, 24

#: What is usual is not known from fewer values.
ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Dot:
    """A point in the chart."""

    x: float
    y: float
    title: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time, oldest first, and what the tooltip of each point says."""

    name: str
    values: Sequence[float]
    titles: Sequence[str]
    bad: Sequence[bool] = ()
    """Which points are drawn as something that went wrong; none, if empty."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual of a figure: its median, and where all but the lowest and the highest tenth of the values lie."""

    low: float
    middle: float
    high: float

    def word(self, value: float) -> str:
        """Where a value lies: "less", "more", or nothing for a usual one."""
        return "less" if value < self.low else "more" if value > self.high else ""


def usual_of(values: Sequence[float]) -> Usual | None:
    """None where there are too few values to say."""
    if len(values) < ENOUGH:
        return None
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    middle = statistics.median(values)
    # Interpolating rounds, and a value that is usual must not be told to lie a hair outside.
    low, high = max(min(values), min(tenths[0], middle)), min(max(values), max(tenths[-1], middle))
    return Usual(low, middle, high)


@dataclass(frozen=True, slots=True)
class Band:
    """What is usual, in the chart: from `y` down over `height`, with the median at `middle`."""

    y: float
    height: float
    middle: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A series in the chart; `points` is what an SVG polyline wants."""

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
    band: Band | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM

    @property
    def plot_width(self) -> int:
        """Between the axis and the right end."""
        return self.right - self.left


def chart_of(
    series: Sequence[Series],
    *,
    tick: Callable[[float], str],
    first: str,
    last: str,
    top: float | None = None,
    usual: Usual | None = None,
    width: int = WIDTH,
) -> Chart | None:
    """The chart of series that are equally long; None where one cannot see a trend yet.

    `tick` writes the values on the axis, which ends at `top`, or above the highest value.
    """
    count = len(series[0].values)
    if count < 2:
        return None
    highest = top if top is not None else _round_up(max(max(one.values) for one in series))
    step = (width - LEFT - RIGHT) / (count - 1)

    def height(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest), 1)

    curves = []
    for one in series:
        bad = one.bad or [False] * count
        dots = [
            Dot(round(LEFT + step * place, 1), height(value), title, is_bad)
            for place, (value, title, is_bad) in enumerate(zip(one.values, one.titles, bad, strict=True))
        ]
        curves.append(Curve(one.name, " ".join(f"{dot.x},{dot.y}" for dot in dots), dots))
    ticks = [(height(share * highest), tick(share * highest)) for share in (0.0, 0.5, 1.0)]
    band = None
    if usual is not None:
        upper = height(usual.high)
        # A band of no height would not be seen.
        band = Band(upper, max(2.0, round(height(usual.low) - upper, 1)), height(usual.middle))
    return Chart(curves=curves, ticks=ticks, first=first, last=last, band=band, width=width, right=width - RIGHT)


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))
