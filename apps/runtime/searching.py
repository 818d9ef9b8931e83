"""What the search boxes over runs and commands find, read through indexes however long the tables are.

One condition over a joined table and a text makes a database read every row. Words are therefore looked up among the
apps and the people first, which are few, and each part of the condition that is left has an index of its own. Texts
have none that finds a part of a word, so they are read in the newest rows that have one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.registry.models import App

_M = TypeVar("_M", bound=Model)

#: Of so many rows that have a text, the newest, the text is searched.
WINDOW = 10_000
#: More apps than that by one word: the word tells so little apart that a page fills at once without an index.
MOST_APPS = 2_000
#: Of so many digits at least: fewer are in a good part of all ids.
_ID = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True)
class Searched:
    """Where the words are looked for."""

    text: str
    at: str
    """When a row was made; there is an index over it of the rows that have a text."""
    people: str = ""
    has_hex_id: bool = False


def search(rows: QuerySet[_M], term: str, where: Searched, *, window: int) -> tuple[QuerySet[_M], datetime | None]:
    """The rows that have every word somewhere, and since when texts were searched, if not from the first row on."""
    if not term.strip():
        return rows, None
    told = rows.exclude(**{where.text: ""}).order_by(f"-{where.at}").values_list(where.at, flat=True)
    since: datetime | None = next(iter(told[window : window + 1]), None)
    for word in _words(term):
        rows = rows.filter(_condition(word, where, since))
    return rows, since


class SearchedByIndex:
    """A list whose words are searched so; says since when it read the texts."""

    searched: Searched

    def search_words(self, request: HttpRequest, queryset: QuerySet[_M], words: str) -> tuple[QuerySet[_M], bool]:
        found, since = search(queryset, words, self.searched, window=WINDOW)
        if since is not None:
            said = _("Texts were searched in the newest %(rows)s rows that have one, back to %(since)s.")
            day = f"{timezone.localtime(since):%Y-%m-%d %H:%M}"
            messages.info(request, said % {"rows": f"{WINDOW:,}", "since": day})
        return found, False


def _words(term: str) -> list[str]:
    """The words of a term as Django's own search cuts it: quotes keep words together."""
    found = []
    for bit in smart_split(term):
        whole = bit.startswith(('"', "'")) and len(bit) > 1 and bit[0] == bit[-1]
        found.append(unescape_string_literal(bit) if whole else bit)
    return found


def _condition(word: str, where: Searched, since: datetime | None) -> Q:
    # The condition of the index over the rows that have a text stands here as it does in the index.
    text = Q(**{f"{where.text}__icontains": word}) & ~Q(**{where.text: ""})
    if since is not None:
        text &= Q(**{f"{where.at}__gt": since})
    apps = list(App.objects.filter(code__icontains=word).order_by().values_list("pk", flat=True)[: MOST_APPS + 1])
    found = text | (Q(app__code__icontains=word) if len(apps) > MOST_APPS else _any_of("app_id", apps))
    if where.people:
        people = User.objects.filter(username__icontains=word).order_by().values_list("pk", flat=True)
        found |= _any_of(where.people, list(people))
    if where.has_hex_id and _ID.fullmatch(word.lower()):
        # Ids are hex digits, so the letter after the last of them ends the range; LIKE has no index on each database.
        found |= Q(id__gte=word.lower(), id__lt=f"{word.lower()}g")
    return found


def _any_of(field: str, keys: list[Any]) -> Q:
    return Q(**{f"{field}__in": keys}) if keys else Q()
