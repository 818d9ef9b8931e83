"""When an app is due. Due times are whole seconds in UTC; the database keeps the next one (`App.next_due_at`).

An interval keeps its beat: each due time is the one before plus the interval, however late a run was. The jitter puts
off when the clock acts (`App.next_run_at`), never what the run is due for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.registry.cron import BadSchedule, last_matches, next_match
from apps.registry.models import App

#: Changing one of these decides anew when the app is due.
SCHEDULE_FIELDS = frozenset({"kind", "schedule", "interval_s", "cron", "time_zone", "jitter_s"})
#: What `plan_next` sets; save these.
PLAN_FIELDS = ("next_due_at", "next_run_at", "schedule_version")
#: More due times than these are never made up for.
MOST_MISSED = 100
SECOND = timedelta(seconds=1)


def whole_second(moment: datetime) -> datetime:
    """`moment` in UTC, without what is less than a second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def due_after(app: App, due: datetime) -> datetime | None:
    """The due time that follows `due`, itself a due time of the app; None when there is none.

    Raises `BadSchedule`.
    """
    match app.schedule if app.is_scheduled else App.Schedule.MANUAL:
        case App.Schedule.INTERVAL:
            return due + _interval(app)
        case App.Schedule.CRON:
            return next_match(app.cron, app.time_zone, due)
    return None


def _interval(app: App) -> timedelta:
    if not app.interval_s:
        raise BadSchedule("interval_s", _("An interval schedule needs an interval of at least one second."))
    return timedelta(seconds=app.interval_s)


def run_time(app: App, due: datetime) -> datetime:
    """When the clock acts on `due`: after the jitter, which ends before the app is due again.

    Every clock computes the same, and the order of due times stays.
    """
    if not app.jitter_s:
        return due
    following = due_after(app, due)
    room = app.jitter_s if following is None else min(app.jitter_s, (following - due) // SECOND - 1)
    number = int.from_bytes(sha256(f"{app.pk} {due.timestamp():.0f}".encode()).digest()[:8])
    return due + number % (max(room, 0) + 1) * SECOND


def plan_next(app: App, *, now: datetime) -> None:
    """Decide anew when the app is due: from `now` on, never at once. Save `PLAN_FIELDS` afterwards.

    An app that is disabled, on trial, or started by no clock is due at no time. Raises `BadSchedule` when the schedule
    cannot be followed; the app is unchanged then.
    """
    is_due = app.is_enabled and not app.is_on_trial
    due = due_after(app, whole_second(now)) if is_due else None
    if is_due and due is None and app.is_scheduled:
        raise BadSchedule("cron", _('"%(cron)s" matches at no time within fifty years.') % {"cron": app.cron})
    app.next_due_at, app.next_run_at = due, run_time(app, due) if due else None
    app.schedule_version += 1


@dataclass(frozen=True, slots=True)
class Passed:
    """The due times of an app that have come, oldest first, and the one that follows them."""

    due: list[datetime]
    """At least one. When more than `MOST_MISSED` have come: the newest, and one more."""
    next_due: datetime | None
    next_run: datetime | None


def passed(app: App, *, now: datetime) -> Passed:
    """What has come due by `now`, for an app whose next run has. Raises `BadSchedule`."""
    due = _newest(app, _pending(app) or now, now)
    if len(due) > 1 and run_time(app, due[-1]) > now:
        due.pop()  # its jitter is not over
    following = due_after(app, due[-1])
    return Passed(due[-MOST_MISSED - 1 :], following, run_time(app, following) if following else None)


def _pending(app: App) -> datetime | None:
    """The due time that `next_run_at` is about."""
    due, run = app.next_due_at, app.next_run_at
    return run if due is None or (run is not None and run < due) else due


def _newest(app: App, first: datetime, now: datetime) -> list[datetime]:
    """`first` and the due times after it until `now`; the newest ones when they are too many."""
    most = MOST_MISSED + 2  # one to see that there are more, and one whose jitter may not be over
    match app.schedule if app.is_scheduled else App.Schedule.MANUAL:
        case App.Schedule.INTERVAL:
            count, interval = max(0, (now - first) // _interval(app)), _interval(app)
            return [first + interval * number for number in range(max(0, count + 1 - most), count + 1)]
        case App.Schedule.CRON:
            later = last_matches(app.cron, app.time_zone, first, now, most=most)
            return later if len(later) == most else [first, *later]
    return [first]


def next_due_times(app: App, *, after: datetime, count: int) -> list[datetime]:
    """The next due times, for people to see; of a disabled app, those it would have. Raises `BadSchedule`."""
    return list(islice(_due_times(app, after), count))


def _due_times(app: App, after: datetime) -> Iterator[datetime]:
    due = _pending(app)
    if due is not None and due <= after:
        due = due_after(app, _newest(app, due, after)[-1])
    elif due is None:
        due = due_after(app, whole_second(after))
    while due is not None:
        yield due
        due = due_after(app, due)


def describe_schedule(app: App) -> str:
    """The schedule in plain words, such as "every 5 minutes" or "cron 30 2 * * * Europe/Berlin"."""
    match app.schedule if app.is_scheduled else App.Schedule.MANUAL:
        case App.Schedule.INTERVAL:
            return _every(app.interval_s or 0)
        case App.Schedule.CRON:
            return _("cron %(cron)s %(zone)s") % {"cron": app.cron, "zone": app.time_zone}
    return _("by hand")


_INTERVALS = (
    (86_400, ngettext_lazy("every day", "every %(number)s days", "number")),
    (3_600, ngettext_lazy("every hour", "every %(number)s hours", "number")),
    (60, ngettext_lazy("every minute", "every %(number)s minutes", "number")),
    (1, ngettext_lazy("every second", "every %(number)s seconds", "number")),
)


def _every(seconds: int) -> str:
    size, said = next(entry for entry in _INTERVALS if entry[0] == 1 or (seconds and seconds % entry[0] == 0))
    return said % {"number": seconds // size}
