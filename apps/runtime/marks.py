"""Things that anybody may do and somebody has to: when each was last done, by the database's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.runtime.node_models import Mark


def stamp(name: str, *, now: datetime) -> None:
    """`name` was done now."""
    if not Mark.objects.filter(pk=name).update(at=now):
        Mark.objects.get_or_create(pk=name, defaults={"at": now})


def is_older(name: str, age: timedelta, *, now: datetime) -> bool:
    """Whether `name` was not done for so long, or never. A moment that lies ahead counts as long ago."""
    at = Mark.objects.filter(pk=name).values_list("at", flat=True).first()
    return at is None or not timedelta(0) <= now - at < age
