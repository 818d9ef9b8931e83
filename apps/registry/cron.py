"""When a cron expression matches in a time zone. Pure: no database, no clock.

Daylight saving time:

- An expression that names hours ("30 2 * * *", "0 */6 * * *") runs once for every local time it names: at the first
  moment at which the wall clock shows that time, or has passed it. A time that the clock skips runs right after the
  gap, and several of them run once; a time that the clock shows twice runs the first time.
- An expression for every hour ("*/5 * * * *", "0 * * * *") runs whenever the wall clock matches: in both of the hours
  that the clock shows twice, and not in the one it skips. So every five minutes stay five minutes.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

FIELDS = (
    gettext_noop("minute"),
    gettext_noop("hour"),
    gettext_noop("day of the month"),
    gettext_noop("month"),
    gettext_noop("day of the week"),
)
EVERY_HOUR = set(range(24))
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


class BadSchedule(ValueError):
    """A schedule that cannot be followed; `field` names what is wrong, the message says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones; without those that mean another zone on another machine."""
    return frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})


def zone_named(name: str) -> ZoneInfo:
    """The time zone of that name. Raises `BadSchedule`."""
    if name not in zones():
        close = next(iter(difflib.get_close_matches(name, zones(), n=1)), "")
        if close:
            said = _('"%(name)s" is not a time zone; did you mean %(close)s?')
        else:
            said = _('"%(name)s" is not a time zone; write a name such as Europe/Berlin, or UTC.')
        raise BadSchedule("time_zone", said % {"name": name, "close": close})
    return ZoneInfo(name)


def check_cron(expression: str, zone: str, *, after: datetime) -> None:
    """Refuse an expression that is no cron expression, or matches at no time. Raises `BadSchedule`."""
    if next_match(expression, zone, after) is None:
        raise BadSchedule("cron", _('"%(cron)s" matches at no time within fifty years.') % {"cron": expression})


@lru_cache(maxsize=8192)
def next_match(expression: str, zone: str, after: datetime) -> datetime | None:
    """The first time after `after`, in UTC and whole seconds; None when there is none within fifty years.

    Raises `BadSchedule`.
    """
    where = zone_named(zone)
    after = after.astimezone(UTC).replace(microsecond=0)
    try:
        if _parse(expression).hours == EVERY_HOUR:
            return _next_by_elapsed_time(expression, where, after)
        return _next_by_wall_clock(expression, where, after)
    except (StopIteration, OverflowError):
        return None


def last_matches(expression: str, zone: str, after: datetime, until: datetime, *, most: int) -> list[datetime]:
    """The newest matches in (`after`, `until`], at most `most` of them, oldest first. Raises `BadSchedule`."""
    span = timedelta(hours=1)
    while True:
        start = max(after, until - span)
        found = _matches(expression, zone, start, until)
        if len(found) >= most or start == after:
            return found[-most:]
        span *= 4


def _matches(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    found: list[datetime] = []
    match = next_match(expression, zone, after)
    while match is not None and match <= until:
        found.append(match)
        match = next_match(expression, zone, match)
    return found


def _parse(expression: str) -> CronSim:
    """The expression as the library reads it. Raises `BadSchedule`."""
    count = len(expression.split())
    if count != len(FIELDS):
        said = ngettext(
            '"%(cron)s" has one field; a cron expression has five: %(fields)s.',
            '"%(cron)s" has %(count)s fields; a cron expression has five: %(fields)s.',
            count,
        )
        fields = ", ".join(map(_, FIELDS))
        raise BadSchedule("cron", said % {"cron": expression, "count": count, "fields": fields})
    try:
        return CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001 - only read
    except CronSimError as error:
        name = str(error).removeprefix("Bad ").replace("day-of-", "day of the ")
        raise BadSchedule(
            "cron",
            _('"%(cron)s" is not a cron expression: the %(field)s is wrong.') % {"cron": expression, "field": _(name)},
        ) from None
    except (AssertionError, TypeError, ValueError):
        raise BadSchedule("cron", _('"%(cron)s" is not a cron expression.') % {"cron": expression}) from None


def _next_by_wall_clock(expression: str, where: ZoneInfo, after: datetime) -> datetime:
    for local in CronSim(expression, after.astimezone(where).replace(tzinfo=None)):
        moment = _first_moment(local, where)
        if moment > after:
            return moment
    raise StopIteration


def _first_moment(local: datetime, where: ZoneInfo) -> datetime:
    """When the wall clock first shows `local`, or has passed it."""
    moment = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    if moment.astimezone(where).replace(tzinfo=None) == local:
        return moment
    before = local.replace(tzinfo=where, fold=1).astimezone(UTC)
    return _first_change(where, before, moment) or moment


def _next_by_elapsed_time(expression: str, where: ZoneInfo, after: datetime) -> datetime:
    offset = _offset(where, after)
    start = after + offset
    while True:
        moment: datetime = next(CronSim(expression, start.replace(tzinfo=None))).replace(tzinfo=UTC) - offset
        change = _first_change(where, after, moment)
        if change is None:
            return moment
        # The clock was set meanwhile: look again from there on, that second included.
        after, offset = change, _offset(where, change)
        start = change + offset - SECOND


def _offset(where: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(where).utcoffset() or timedelta(0)


def _first_change(where: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """When the offset of the zone first changes in (`after`, `until`]; None when it does not."""
    offset = _offset(where, after)
    low = high = after
    while _offset(where, high) == offset:
        if high >= until:
            return None
        low, high = high, min(high + DAY, until)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        low, high = (middle, high) if _offset(where, middle) == offset else (low, middle)
    return high
