"""Robust statistics: what is usual, without being led astray by what was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: Makes the median absolute deviation of normally distributed values equal to their standard deviation.
#: P. J. Rousseeuw, C. Croux: Alternatives to the Median Absolute Deviation, JASA 88 (1993).
CONSISTENT = 1.4826
#: Counts that never changed have no deviation; one twentieth of the usual count, and one row, are always ordinary.
LEAST_SHARE, LEAST = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """What is usual: the median, and how far values are from it."""

    middle: float
    deviation: float
    """Never 0."""

    def distance(self, value: float) -> float:
        """How many deviations `value` is from what is usual."""
        return abs(value - self.middle) / self.deviation


def spread_of(values: Sequence[float]) -> Spread:
    """Median and scaled median absolute deviation. Raises `ValueError` for no values."""
    if not values:
        raise ValueError("there is nothing usual about no values")
    middle = float(median(values))
    deviation = CONSISTENT * median(abs(value - middle) for value in values)
    return Spread(middle, max(deviation, LEAST_SHARE * abs(middle), LEAST))


def completeness_of(rows: Iterable[Iterable[Any]]) -> float | None:
    """The share of values that are there: neither None nor an empty text. None where there are no values at all."""
    total = filled = 0
    for values in rows:
        for value in values:
            total += 1
            filled += value is not None and value != ""
    return filled / total if total else None
