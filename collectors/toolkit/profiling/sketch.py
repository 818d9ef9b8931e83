"""The distribution of many values in little memory.

After DDSketch (Masson, Rim, Lee, VLDB 2019): bucket i counts the values in (g^(i-1), g^i] with g = (1 + e) / (1 - e),
so 2 * g^i / (g + 1) is within the relative error e of every value in it. The buckets are the same for everybody, so
sketches add up by adding their counts, in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil, log
from typing import Any

#: How far a quantile is from the value it stands for, at most.
RELATIVE_ERROR = 0.02
_BASE = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG = 1 / log(_BASE)
#: The bucket of the largest integer a database holds, 2^63 - 1; in nanoseconds, 292 years.
LAST_BUCKET = ceil(log(2**63) * _PER_LOG)


class BadSketch(ValueError):
    """What should be a sketch is none; the message says why."""


class Sketch:
    """Counts positive numbers; what is below 1 counts as 1. At most `LAST_BUCKET` + 1 buckets, however many values."""

    __slots__ = ("buckets",)

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        self.buckets: dict[int, int] = dict(buckets or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self.buckets == other.buckets

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        return f"Sketch({self.buckets!r})"

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.buckets.values())

    def add(self, values: Iterable[float]) -> None:
        """Count these values."""
        buckets = self.buckets
        # Counter counts in C: a fold of some hundred values costs a third of a loop.
        for bucket, count in Counter([ceil(log(v) * _PER_LOG) if v > 1 else 0 for v in values]).items():
            place = min(bucket, LAST_BUCKET)
            buckets[place] = buckets.get(place, 0) + count

    def merge(self, other: Sketch) -> None:
        """Count what `other` counted too."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def quantile(self, q: float) -> float | None:
        """The value below which a share `q` of all values lies, within `RELATIVE_ERROR`; None without values.

        It stands for the value at place floor(q * (count - 1)) of all values in order.
        """
        place, seen = int(q * (self.count - 1)), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen > place:
                return float(2 * _BASE**bucket / (_BASE + 1))
        return None

    def as_json(self) -> dict[str, int]:
        """The counts, as JSON can hold them: bucket -> count, empty buckets left out."""
        return {str(bucket): count for bucket, count in sorted(self.buckets.items())}

    @classmethod
    def from_json(cls, value: Any) -> Sketch:
        """The sketch that `as_json` described. Raises `BadSketch`."""
        if not isinstance(value, Mapping):
            raise BadSketch(f"A sketch is an object of buckets and counts, not {type(value).__name__}.")
        buckets: dict[int, int] = {}
        for name, count in value.items():
            bucket = int(name) if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 6 else -1
            if not 0 <= bucket <= LAST_BUCKET:
                raise BadSketch(f"{name!r} is no bucket of a sketch: those are numbered from 0 to {LAST_BUCKET}.")
            if type(count) is not int or not 0 < count < 2**63:
                raise BadSketch(f"Bucket {name} counts {count!r}, which is no count.")
            buckets[bucket] = buckets.get(bucket, 0) + count
        return cls(buckets)
