"""The clock: aware and in UTC. Services take `now` as an argument where it matters; this is its default."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection


def utc_now() -> datetime:
    """The current moment."""
    return datetime.now(UTC)


#: What the database's clock showed when it was last asked here, and the seconds since boot at that moment.
_last_shown: dict[str, tuple[datetime, float]] = {}


def database_now() -> datetime:
    """The current moment by the clock of the platform's database, which all machines share."""
    if connection.vendor != "postgresql":
        return utc_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    _last_shown["database"] = moment, _seconds_since_boot()
    return moment


def shared_now() -> datetime:
    """About the same, without asking: what the database's clock showed here last, and the time that has passed since.

    For processes that ask every few seconds, as managers do: what they write down is right although the clock of their
    machine is not. The machine's own clock until the database was asked for the first time.
    """
    if "database" not in _last_shown:
        return utc_now()
    shown, at = _last_shown["database"]
    return shown + timedelta(seconds=_seconds_since_boot() - at)


def _seconds_since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
