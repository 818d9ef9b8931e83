"""The range of time that is shown: read from the address, written into the addresses that zoom and move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

RANGES = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
USUAL = "6h"
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=31)
#: Of a range up to now, the share that is added for what is planned.
AHEAD = 8
_STEPS = [timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760, 10080)]
#: No more marks than these fit beside each other.
MARKS = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the axis: its place in percent, and its words."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to `end`; `name` is that of a range up to now, empty for one that somebody chose."""

    begin: datetime
    end: datetime
    name: str = ""

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.begin

    def place(self, moment: datetime) -> float:
        """Where a moment lies, in percent of the width, at an edge if it lies outside."""
        return round(100 * min(1.0, max(0.0, (moment - self.begin) / self.length)), 3)

    def holds(self, moment: datetime) -> bool:
        """Whether it lies within."""
        return self.begin <= moment < self.end

    def zoomed(self, factor: float) -> Span:
        """Around the same middle, so many times as long."""
        middle = self.begin + self.length / 2
        half = min(LONGEST, max(SHORTEST, self.length * factor)) / 2
        return Span(middle - half, middle + half)

    def moved(self, share: float) -> Span:
        """Later by this share of its length; earlier if it is negative."""
        return Span(self.begin + self.length * share, self.end + self.length * share)

    def as_query(self) -> dict[str, str]:
        """What the address says of it."""
        if self.name:
            return {"range": self.name}
        return {"from": written(self.begin), "to": written(self.end)}

    def marks(self) -> Iterator[Mark]:
        """Round moments of the platform's time zone."""
        step = next((step for step in _STEPS if self.length / step <= MARKS), _STEPS[-1])
        local = timezone.localtime(self.begin)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        moment = midnight + ((local - midnight) // step + 1) * step
        while moment < self.end:
            shown = timezone.localtime(moment)
            yield Mark(self.place(moment), f"{shown:%d %b}" if shown.hour == shown.minute == 0 else f"{shown:%H:%M}")
            moment += step


def written(moment: datetime) -> str:
    """As fields of a form and addresses have it: to the second, in the platform's time zone."""
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M:%S}"


def read_span(given: Mapping[str, str], *, now: datetime) -> tuple[Span, str]:
    """The range that an address asks for, and what is wrong with it; then it is the usual one."""
    usual = _up_to(now, given.get("range", USUAL))
    if not given.get("from") and not given.get("to"):
        return usual, ""
    begin, end = _moment(given.get("from", "")), _moment(given.get("to", "")) if given.get("to") else now
    if begin is None or end is None:
        return usual, _("From and to are moments such as 2026-11-23T14:05.")
    if end - begin < SHORTEST:
        return usual, _("The range has to end at least a minute after it begins.")
    if end - begin > LONGEST:
        return usual, _("The range may be 31 days long at most.")
    return Span(begin, end), ""


def _up_to(now: datetime, name: str) -> Span:
    name = name if name in RANGES else USUAL
    return Span(now - RANGES[name], now + RANGES[name] / AHEAD, name)


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.strip())
        if moment is None or not 1970 < moment.year < 9000:
            return None
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    except (ValueError, OverflowError):
        return None
