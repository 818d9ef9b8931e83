"""The moment at which somebody wants to see a table, as people write it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _


class BadMoment(ValueError):
    """What was written is no moment that can be shown; the message is a sentence for the person."""


def read_moment(day: str, clock: str = "", *, now: datetime) -> datetime:
    """The moment of `day` and `clock`, on the wall clock of the zone that pages show.

    `day` is a date, or a date and time in ISO, with or without an offset. A date without a time is the end of that day,
    or now where the day is not over. A time that comes twice when clocks are set back is the later one.

    Raises `BadMoment`.
    """
    day, clock = day.strip(), clock.strip()
    try:
        moment = _read(day, clock, now)
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise BadMoment(_("%(day)s is outside of the years that a calendar has.") % {"day": _cut(day)}) from None
    if moment > now:
        seen = timezone.localtime(now)
        raise BadMoment(
            _("%(moment)s lies in the future: what is known ends at %(end)s.")
            % {"moment": _cut(f"{day} {clock}".strip()), "end": f"{seen:%Y-%m-%d %H:%M:%S} {seen.tzname()}"}
        )
    return moment


def _read(day: str, clock: str, now: datetime) -> datetime:
    try:
        of_day = date.fromisoformat(day)
    except ValueError:
        if clock:
            raise BadMoment(_no_date(day, "2026-10-31")) from None
        return _read_whole(day)
    if not clock:
        return now if of_day == timezone.localtime(now).date() else _end_of(of_day)
    try:
        at = time.fromisoformat(clock)
    except ValueError:
        raise BadMoment(_('"%(text)s" is not a time; write it as 14:30 or 14:30:59.') % {"text": _cut(clock)}) from None
    return _on_the_wall(datetime.combine(of_day, at))


def _read_whole(text: str) -> datetime:
    """A date with a time. In an address that nobody encoded, the plus of an offset has become a space."""
    head, _space, offset = text.rpartition(" ")
    try:
        moment = datetime.fromisoformat(f"{head}+{offset}" if "T" in head else text)
    except ValueError:
        raise BadMoment(_no_date(text, "2026-10-31, 2026-10-31T14:30:00+01:00")) from None
    return _on_the_wall(moment)


def _on_the_wall(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        return moment
    zone = timezone.get_current_timezone()
    local = moment.replace(tzinfo=zone, fold=1)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise BadMoment(
            _("%(moment)s never was in %(zone)s: clocks were set forward.")
            % {"moment": f"{moment:%Y-%m-%d %H:%M}", "zone": timezone.get_current_timezone_name()}
        )
    return local


def _end_of(day: date) -> datetime:
    following = datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone.get_current_timezone())
    return following.astimezone(UTC) - timedelta(microseconds=1)


def _no_date(text: str, example: str) -> str:
    return _('"%(text)s" is not a date; write it as %(example)s.') % {"text": _cut(text), "example": example}


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
