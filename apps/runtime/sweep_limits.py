"""Limits of retention: so many days, so many rows."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet


def at_place(rows: QuerySet[Any], place: int) -> int | None:
    """The key of the row at this place; None: there is no limit, or fewer rows."""
    return rows.values_list("pk", flat=True)[place : place + 1].first() if place else None


def any_of(*conditions: Q | None) -> Q | None:
    """Those that are given, joined by "or"."""
    given = [condition for condition in conditions if condition is not None]
    return Q(*given, _connector=Q.OR) if given else None


def words_of(days: int, most: int = 0) -> str:
    """What is kept, for the page of retention."""
    parts = [f"{days} days" if days else "", f"at most {most:,} rows" if most else ""]
    return ", ".join(filter(None, parts)) or "for ever"
