"""What stands above a list: the views that are kept of it, its columns, how close its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import label_for_field
from django.http import HttpRequest

from apps.accounts.preferences import COLUMNS, DENSITY, preference
from apps.accounts.saved_views import Shown, normal


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can be left out."""

    name: str
    title: str
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Of one list, for one person."""

    place: str
    query: str
    """What is searched and filtered now, in the form that is kept."""
    views: list[Shown]
    keeps_views: bool
    columns: list[Column]
    density: str
    qualifiers: list[str]

    @property
    def is_kept(self) -> bool:
        """Whether what one sees is one of the views."""
        return any(view.is_open for view in self.views)


def hidden_columns(user: Any, place: str) -> list[str]:
    """The columns that this person does not want to see in this list."""
    found = preference(user, COLUMNS, {}).get(place, [])
    return [str(name) for name in found] if isinstance(found, list) else []


def columns_of(page: Any, request: HttpRequest, place: str) -> list[Column]:
    """The columns of a list but the first, which leads to the row."""
    hidden = hidden_columns(request.user, place)
    return [
        Column(name, str(label_for_field(name, page.model, page)), name not in hidden)
        for name in list(page.all_columns(request))[1:]
        if isinstance(name, str)
    ]


def tools_of(page: Any, request: HttpRequest, views: list[Shown]) -> Tools:
    """What stands above the list of an admin page."""
    place = page.opts.label_lower
    return Tools(
        place=place,
        query=normal(request.GET.urlencode()),
        views=views,
        keeps_views=page.keeps_views,
        columns=columns_of(page, request, place),
        density=str(preference(request.user, DENSITY, "normal")),
        qualifiers=[f"{name}:{one.example}" for name, one in page.qualifiers.items()],
    )
