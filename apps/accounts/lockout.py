"""Against guessing of passwords: after some wrong ones the next try has to wait, longer each time.

Counted for (name, address), so that nobody locks somebody else out, and for the address alone, so that one place cannot
try all names. The counts are rows: every web process sees the same ones, and a restart forgets nothing. A try counts as
wrong before the password is looked at, and is forgiven when it was right; so a hundred tries at once are a hundred.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import ngettext

from apps.accounts.address import neighbourhood
from apps.accounts.audit import record
from apps.accounts.models import Lockout, User

#: Wrong tries that cost nothing yet.
FREE_OF_NAME, FREE_OF_ADDRESS = 5, 50
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=30), timedelta(hours=1)
ALL, UNKNOWN = "(all names)", "(a name that nobody has)"
#: Without a wrong try for so long, the count begins anew.
FORGIVEN_AFTER = timedelta(hours=24)


class Locked(Exception):
    """It has to wait until then, whatever the password."""

    def __init__(self, until: datetime, now: datetime) -> None:
        self.until = until
        minutes = max(1, -(-int((until - now).total_seconds()) // 60))
        said = ngettext(
            "Too many attempts. Try again in %(count)s minute.",
            "Too many attempts. Try again in %(count)s minutes.",
            minutes,
        )
        super().__init__(said % {"count": minutes})


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was counted; `is_last` when the next one has to wait."""

    name: str
    address: str | None
    is_last: bool


def begin(name: str, address: str | None, *, now: datetime) -> Try:
    """Count a try. Raises `Locked` when it has to wait; such a try is not counted."""
    place = neighbourhood(address)
    locked: datetime | None = None
    is_last = False
    with transaction.atomic():
        # People type passwords where names belong: a name that nobody has is kept nowhere.
        known = User.objects.filter(username=name[:150].replace("\x00", "")).exists()
        rows = [
            _row(key, shown if known or shown == ALL else UNKNOWN, place, now)
            for key, shown, _free in _keys(name, place)
        ]
        waits = [row.locked_until for row in rows if row.locked_until is not None and row.locked_until > now]
        if waits:
            locked = max(waits)
        else:
            for row, (_key, _shown, free) in zip(rows, _keys(name, place), strict=True):
                is_last |= _count(row, free, now)
    if locked is not None:
        raise Locked(locked, now)
    return Try(name, address, is_last)


def succeeded(attempt: Try) -> None:
    """The password was right: forget the wrong ones of this name from this address, and take back this try."""
    (pair, _, _), (place, _, _) = _keys(attempt.name, neighbourhood(attempt.address))
    with transaction.atomic():
        Lockout.objects.filter(key=pair).delete()
        row = Lockout.objects.select_for_update().filter(key=place).first()
        if row is not None:
            row.failures = max(0, row.failures - 1)
            row.locked_until = None if row.failures < FREE_OF_ADDRESS else row.locked_until
            row.save(update_fields=["failures", "locked_until"])


@transaction.atomic
def unlock(rows: QuerySet[Lockout], *, actor: User | None, source: str, now: datetime) -> int:
    """Forget the wrong passwords of these; how many there were."""
    for row in rows:
        record("lockout.unlocked", str(row), source=source, actor=actor, now=now, obj=row, failures=row.failures)
    return rows.delete()[0]


def forget_old(*, now: datetime) -> int:
    """Delete counts that mean nothing any more; how many."""
    return Lockout.objects.filter(last_at__lt=now - FORGIVEN_AFTER).delete()[0]


def _keys(name: str, place: str) -> Iterator[tuple[str, str, int]]:
    folded = name.strip().casefold()
    yield _hashed("name", folded, place), name.strip()[:150], FREE_OF_NAME
    yield _hashed("address", place), ALL, FREE_OF_ADDRESS


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _row(key: str, name: str, place: str, now: datetime) -> Lockout:
    # Made first and locked then: of two who come together, one makes it and both count.
    Lockout.objects.get_or_create(key=key, defaults={"name": name, "address": place, "last_at": now})
    row = Lockout.objects.select_for_update().get(key=key)
    if row.last_at < now - FORGIVEN_AFTER:
        row.failures = 0
    return row


def _count(row: Lockout, free: int, now: datetime) -> bool:
    row.failures, row.last_at = row.failures + 1, now
    over = row.failures - free
    if over >= 0:
        row.locked_until = now + min(FIRST_DELAY * 2 ** min(over, 20), LONGEST_DELAY)
    row.save(update_fields=["failures", "last_at", "locked_until"])
    return over >= 0
