"""When a cron expression matches, the slow way: a scan of every minute, which knows nothing of how it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Fields:
    """The values of an expression: minutes, hours, days, months, days of the week (1 is Monday)."""

    minutes: frozenset[int] = frozenset(range(60))
    hours: frozenset[int] = frozenset(range(24))
    days: frozenset[int] = frozenset(range(1, 32))
    months: frozenset[int] = frozenset(range(1, 13))
    weekdays: frozenset[int] = frozenset(range(1, 8))

    def __str__(self) -> str:
        whole = Fields()
        parts = [
            (self.minutes, whole.minutes),
            (self.hours, whole.hours),
            (self.days, whole.days),
            (self.months, whole.months),
            (self.weekdays, whole.weekdays),
        ]
        return " ".join("*" if mine == all_ else ",".join(map(str, sorted(mine))) for mine, all_ in parts)

    def match(self, local: datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() in self.weekdays
        # As every cron has it: where both name days, either is enough.
        is_restricted = len(self.days) < 31 and len(self.weekdays) < 7
        return (
            local.minute in self.minutes
            and local.hour in self.hours
            and local.month in self.months
            and (day or weekday if is_restricted else day and weekday)
        )


def scan(fields: Fields, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Every minute of the time between, as one would do it by hand, with an eye on the clock on the wall."""
    where, found = ZoneInfo(zone), []
    moment = after.replace(second=0) - 27 * HOUR  # what the clock has shown before; no clock is set by more than a day
    shown = moment.astimezone(where).replace(tzinfo=None)
    while moment + MINUTE <= until:
        moment += MINUTE
        local = moment.astimezone(where).replace(tzinfo=None)
        if len(fields.hours) == 24:
            matches = fields.match(local)
        else:
            passed_now = minutes_between(shown, local)
            matches = any(map(fields.match, passed_now))
        shown = max(shown, local)
        if matches and moment > after:
            found.append(moment)
    return found


def minutes_between(shown: datetime, local: datetime) -> Iterator[datetime]:
    """The local times after `shown` up to `local`: what the clock shows now, and what it has skipped to get there."""
    while shown < local:
        shown += MINUTE
        yield shown


@lru_cache(maxsize=1024)
def changes(zone: str, first: int, last: int) -> tuple[datetime, ...]:
    """When the clocks of a zone are set, to the minute."""
    where, found = ZoneInfo(zone), []
    day, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(where).utcoffset()

    while day < end:
        low, high = day, day + DAY
        if offset(low) != offset(high):
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
        day += DAY
    return tuple(found)
