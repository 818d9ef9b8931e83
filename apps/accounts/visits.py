"""When somebody was here before, so that a page can say what is new to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.accounts.models import User

#: Who comes back after a longer pause pays another visit.
PAUSE = timedelta(minutes=30)
#: Within a visit its moment is written down no more often than this: reloading a page writes nothing.
FRESH = timedelta(minutes=5)


def note_visit(user: User, *, now: datetime) -> datetime | None:
    """Somebody opens a page. Returns when their visit before this one ended; None for the first one."""
    last = user.visited_at
    if last is not None and timedelta(0) <= now - last < FRESH:
        return user.visited_before_at
    values = {"visited_at": now}
    if last is not None and now - last >= PAUSE:
        values["visited_before_at"] = last
    # Two pages that are opened at once are one visit: the second finds another moment and writes nothing.
    if User.objects.filter(pk=user.pk, visited_at=last).update(**values):
        for name, value in values.items():
            setattr(user, name, value)
    return user.visited_before_at
