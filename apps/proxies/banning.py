"""Bans: one statement for each failure, whoever sees it, so that fifty threads that fail at once count as one step."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router
from django.db.models import F

from apps.proxies.models import ProxyBan

#: Level -> how long a ban lasts. None lasts for ever: addresses change their owners.
LOCKOUTS = {
    1: timedelta(minutes=5),
    2: timedelta(minutes=20),
    3: timedelta(hours=1),
    4: timedelta(hours=4),
    5: timedelta(hours=24),
    6: timedelta(days=30),
}
WORST = max(LOCKOUTS)
#: Between two steps at least; failures in between are counted and change nothing.
GAP = timedelta(minutes=5)
#: So long without a failure, and a ban sinks by a level.
DECAY = timedelta(days=1)

_BAN = ProxyBan._meta.db_table
_NEXT = f"CASE WHEN {_BAN}.level >= {WORST} THEN {WORST} ELSE {_BAN}.level + 1 END"
_IS_STEP = f"{_BAN}.until <= %s AND {_BAN}.escalated_at <= %s"
_UNTIL = " ".join(f"WHEN {level} THEN %s" for level in LOCKOUTS)
_STRIKE = f"""
INSERT INTO {_BAN}
  (ip, domain, level, failures, reason, first_failed_at, last_failed_at, escalated_at, until, decays_at)
VALUES (%s, %s, 1, 1, %s, %s, %s, %s, %s, %s)
ON CONFLICT (ip, domain) DO UPDATE SET
  failures = {_BAN}.failures + 1,
  reason = excluded.reason,
  last_failed_at = excluded.last_failed_at,
  level = CASE WHEN {_IS_STEP} THEN {_NEXT} ELSE {_BAN}.level END,
  escalated_at = CASE WHEN {_IS_STEP} THEN excluded.escalated_at ELSE {_BAN}.escalated_at END,
  until = CASE WHEN {_IS_STEP} THEN CASE {_NEXT} {_UNTIL} END ELSE {_BAN}.until END,
  decays_at = CASE WHEN {_IS_STEP} THEN CASE {_NEXT} {_UNTIL} END ELSE {_BAN}.decays_at END
RETURNING level
"""  # noqa: S608 - names of our own table


def strike(ip: str, domain: str, *, reason: str, now: datetime) -> int:
    """`domain` does not want `ip`. Returns the level that the ban has then."""
    connection = connections[router.db_for_write(ProxyBan)]
    ends = [now + lockout for lockout in LOCKOUTS.values()]
    is_step = [now, now - GAP]
    values: list[Any] = [ip, domain, reason[:300], now, now, now, ends[0], ends[0] + DECAY]
    values += [*is_step, *is_step, *is_step, *ends, *is_step, *(end + DECAY for end in ends)]
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_STRIKE, [adapt(value) if isinstance(value, datetime) else value for value in values])
        (level,) = cursor.fetchone()
    return int(level)


def decay(*, now: datetime) -> int:
    """Bans after which nothing went wrong for a day sink by a level; those of the lowest go. How many sank."""
    due = ProxyBan.objects.filter(decays_at__lte=now, until__lte=now)
    due.filter(level__lte=1).delete()
    return due.update(level=F("level") - 1, decays_at=now + DECAY)
