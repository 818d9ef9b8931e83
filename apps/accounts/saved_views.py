"""Views of lists that people keep: what was searched and filtered, under a name, for themselves or for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from apps.accounts.models import SavedView, User
from apps.accounts.preferences import VIEWS, prefer_view, preference

#: Not a part of a view: where in it one is, and which view it is.
NOT_KEPT = ("p", "all", "e", "view", "_changelist_filters", "_popup", "_to_field")
MOST_SHOWN, MOST_KEPT, LONGEST_QUERY = 30, 100, 2_000


class BadView(Exception):
    """It cannot be kept like that; the message says why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A view as the list shows it."""

    view: SavedView
    is_open: bool
    is_default: bool
    is_own: bool


def normal(query: str) -> str:
    """A query string with its parts in order, so that equal views are equal."""
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=False) if name not in NOT_KEPT]
    return urlencode(sorted(pairs))


def views_of(user: Any, place: str) -> Sequence[SavedView]:
    """One's own, and those that others share; one query."""
    rows = SavedView.objects.filter(Q(owner=user.pk) | Q(is_shared=True), place=place).select_related("owner")
    return list(rows.order_by("name", "pk")[:MOST_SHOWN])


def shown(user: Any, views: Sequence[SavedView], place: str, query: str) -> list[Shown]:
    """Each with what there is to say about it, as this person looks at this query."""
    current, default = normal(query), preference(user, VIEWS, {}).get(place)
    return [Shown(view, view.query == current, view.pk == default, view.owner_id == user.pk) for view in views]


def default_view(user: Any, views: Sequence[SavedView], place: str) -> SavedView | None:
    """The view that a list opens with for this person; None when it went or is shared no more."""
    number = preference(user, VIEWS, {}).get(place)
    return next((view for view in views if view.pk == number), None)


def keep(user: User, place: str, *, name: str, query: str, is_shared: bool, is_default: bool) -> SavedView:
    """Keep a view; one of the same name is replaced. Raises `BadView`."""
    name, query = " ".join(name.split()), normal(query)
    if not query:
        raise BadView(_("Search or filter first: this list shows everything."))
    if len(query) > LONGEST_QUERY:
        raise BadView(_("This filter is too long to be kept."))
    if SavedView.objects.filter(owner=user).count() >= MOST_KEPT:
        raise BadView(_("You keep %(count)s views already; delete some first.") % {"count": MOST_KEPT})
    view = SavedView.objects.filter(owner=user, place=place, name=name).first() or SavedView(owner=user, place=place)
    view.name, view.query, view.is_shared = name, query, is_shared
    _save(view)
    if is_default:
        prefer_view(user, place, view.pk)
    return view


@transaction.atomic
def change(view: SavedView, user: User, *, name: str, is_shared: bool, is_default: bool) -> None:
    """Rename and share what is one's own; whether it opens the list, each says for themselves. Raises `BadView`."""
    if view.owner_id == user.pk:
        view.name, view.is_shared = " ".join(name.split()), is_shared
        _save(view)
    was_default = preference(user, VIEWS, {}).get(view.place) == view.pk
    if is_default != was_default:
        prefer_view(user, view.place, view.pk if is_default else None)


def _save(view: SavedView) -> None:
    try:
        view.full_clean()
    except ValidationError as error:
        raise BadView(" ".join(error.messages)) from None
    view.save()
