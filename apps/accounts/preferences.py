"""What a person prefers: kept with them, read with every request anyway, so it costs no query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.models import User

SINGLE_KEYS, DENSITY, COLUMNS, VIEWS = "single_keys", "density", "columns", "views"
DENSITIES = ("normal", "compact")
MOST_LISTS, MOST_COLUMNS, LONGEST = 200, 60, 100


def preference(user: Any, name: str, default: Any) -> Any:
    """What somebody prefers, or the default; also for people who have not signed in."""
    known = getattr(user, "preferences", None)
    return known.get(name, default) if isinstance(known, dict) else default


def has_single_keys(user: Any) -> bool:
    """Whether letters alone do something (WCAG 2.1.4: one can switch that off)."""
    return bool(preference(user, SINGLE_KEYS, True))  # noqa: FBT003 - a default


def prefer(user: User, said: Mapping[str, str]) -> None:
    """Remember what was said of keys and density; what is not known is left alone."""
    values: dict[str, Any] = {}
    if SINGLE_KEYS in said:
        values[SINGLE_KEYS] = said[SINGLE_KEYS] == "on"
    if said.get(DENSITY) in DENSITIES:
        values[DENSITY] = said[DENSITY]
    remember(user, values)


def prefer_columns(user: User, place: str, hidden: list[str]) -> None:
    """The columns of a list that this person does not want to see."""
    lists = {**preference(user, COLUMNS, {}), place[:LONGEST]: [name[:LONGEST] for name in hidden[:MOST_COLUMNS]]}
    remember(user, {COLUMNS: dict(list(lists.items())[-MOST_LISTS:])})


def prefer_view(user: User, place: str, number: int | None) -> None:
    """The saved view with which a list opens; None: with everything."""
    lists = {name: view for name, view in preference(user, VIEWS, {}).items() if name != place}
    remember(user, {VIEWS: lists | ({place[:LONGEST]: number} if number is not None else {})})


def remember(user: User, values: Mapping[str, Any]) -> None:
    """Two windows of one person may say different things at the same time: each keeps its own."""
    with transaction.atomic():
        row = User.objects.select_for_update().only("preferences").get(pk=user.pk)
        row.preferences = {**row.preferences, **values}
        User.objects.filter(pk=user.pk).update(preferences=row.preferences)
    user.preferences = row.preferences
