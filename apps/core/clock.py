"""The clock: aware and in UTC. Services take `now` as an argument where it matters; this is its default."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def utc_now() -> datetime:
    """The current moment."""
    return datetime.now(UTC)


def database_now() -> datetime:
    """The current moment by the clock of the platform's database, which all machines share."""
    if connection.vendor != "postgresql":
        return utc_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
