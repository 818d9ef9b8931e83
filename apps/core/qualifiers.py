"""Words with a colon in the search box of a list, as conditions.

    state:failed,crashed app:books since:2d -owner:ana timeout

A comma means "or", a minus in front "not". Quotes keep words together, and keep a word with a colon from being read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

_TOKEN = re.compile(r'(?P<minus>-)?(?:(?P<name>[A-Za-z]+):(?!//))?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S*))')
_SPAN = re.compile(r"(\d{1,6})\s*(min|m|h|d|w)")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class BadQualifier(Exception):
    """A part of the text means nothing here; the message says which, and what would."""


@dataclass(frozen=True, slots=True)
class Qualifier:
    """What stands before the colon."""

    read: Callable[[str, Any], Q]
    """The condition for a value, as somebody asks for it. Raises `BadQualifier`."""
    example: str


def split(text: str, known: Mapping[str, Qualifier], asker: Any) -> tuple[Q, str]:
    """The conditions in a text, and the other words of it. Raises `BadQualifier`."""
    condition, words = Q(), []
    for found in _TOKEN.finditer(text):
        if not found[0].strip():
            continue
        name, value = found["name"], found["bare"] if found["quoted"] is None else found["quoted"]
        if name is None:
            words.append(found[0])
            continue
        one = _condition(name.lower(), value, known, asker)
        condition &= ~one if found["minus"] else one
    return condition, " ".join(words)


def _condition(name: str, value: str, known: Mapping[str, Qualifier], asker: Any) -> Q:
    qualifier = known.get(name)
    if qualifier is None:
        close = next(iter(difflib.get_close_matches(name, known, n=1)), "")
        hint = _("Did you mean %(name)s:?") % {"name": close} if close else ""
        here = ", ".join(f"{each}:" for each in known)
        told = _("There is no %(name)s: here. %(hint)s Use %(here)s. To search for the text, write it in quotes.")
        raise BadQualifier(" ".join((told % {"name": name, "hint": hint, "here": here}).split()))
    if not value.strip():
        raise BadQualifier(
            _("%(name)s: needs a value right behind the colon, such as %(example)s.")
            % {"name": name, "example": f"{name}:{qualifier.example}"}
        )
    condition = Q()
    for part in filter(None, value.split(",")):
        condition |= qualifier.read(part.strip(), asker)
    return condition


def choice(field: str, values: Mapping[str, Any], example: str) -> Qualifier:
    """One of some words, each for a value, or for several."""

    def read(text: str, _asker: Any) -> Q:
        found = values.get(text.lower().replace("-", "_"))
        if found is None:
            raise BadQualifier(_("%(text)s is none of: %(all)s.") % {"text": text, "all": ", ".join(values)})
        return Q(**{f"{field}__in": found}) if isinstance(found, tuple) else Q(**{field: found})

    return Qualifier(read, example)


def part(field: str, example: str) -> Qualifier:
    """A part of a text."""
    return Qualifier(lambda text, _asker: Q(**{f"{field}__icontains": text}), example)


def person(field: str) -> Qualifier:
    """A user name; `me` is whoever asks, `none` nobody."""

    def read(text: str, asker: Any) -> Q:
        if text.lower() == "none":
            return Q(**{f"{field}__isnull": True})
        return Q(**{field: asker.pk}) if text.lower() == "me" else Q(**{f"{field}__username__iexact": text})

    return Qualifier(read, "me")


def moment(field: str, comparison: str, example: str) -> Qualifier:
    """A span before now, such as 2d, or a date, or a date and a time."""

    def read(text: str, _asker: Any) -> Q:
        return Q(**{f"{field}__{comparison}": _moment(text)})

    return Qualifier(read, example)


def _moment(text: str) -> datetime:
    span = _SPAN.fullmatch(text.lower())
    try:
        if span is not None:
            return timezone.now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
        day = parse_date(text)
        found = parse_datetime(text) or (datetime(day.year, day.month, day.day) if day else None)  # noqa: DTZ001 - made aware below
        if found is not None:
            return found if timezone.is_aware(found) else timezone.make_aware(found)
    except (ValueError, OverflowError):
        pass
    raise BadQualifier(_("%(text)s is no time; write 90min, 6h, 2d, 1w or 2026-11-20.") % {"text": text})
