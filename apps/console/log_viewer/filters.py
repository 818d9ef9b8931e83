"""Which lines of a run somebody wants to see, read from the address of a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.http import QueryDict

from apps.console.log_viewer.rows import SAFE_INTEGER
from apps.logs.models import Log

MOST_LOGGERS = 20
MOST_FIELDS = 5
LONGEST_TEXT = 200
#: From this level on the database has an index of its own.
BAD = Log.Level.WARNING.value


class BadFilter(Exception):
    """What the address asks for makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class FieldIs:
    """A field of the context has this value."""

    name: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Lines that are shown (levels, loggers, fields) and what is looked for among them (text)."""

    levels: frozenset[int] = frozenset()
    loggers: tuple[str, ...] = ()
    fields: tuple[FieldIs, ...] = ()
    text: str = ""
    is_regex: bool = False

    def apply(self, lines: QuerySet[Log]) -> QuerySet[Log]:
        """Everything but the text."""
        if self.levels:
            lines = lines.filter(level__in=self.levels)
            if min(self.levels) >= BAD:
                lines = lines.filter(level__gte=BAD)
        if self.loggers:
            lines = lines.filter(logger__in=self.loggers)
        for field in self.fields:
            lines = _having(lines, field)
        return lines


def read_filter(query: QueryDict) -> LineFilter:
    """Raises `BadFilter`."""
    text = query.get("q", "")
    if len(text) > LONGEST_TEXT:
        raise BadFilter(f"Search for at most {LONGEST_TEXT} characters; these are {len(text)}.")
    if "\x00" in query.urlencode() or "%00" in query.urlencode():
        raise BadFilter("A filter cannot hold the character NUL; take it out.")
    loggers, fields = query.getlist("logger"), query.getlist("field")
    if len(loggers) > MOST_LOGGERS or len(fields) > MOST_FIELDS:
        raise BadFilter(f"Filter by at most {MOST_LOGGERS} loggers and {MOST_FIELDS} fields at once.")
    return LineFilter(
        levels=_levels(query.get("levels", "")),
        loggers=tuple(loggers),
        fields=tuple(map(_field, fields)),
        text=text,
        is_regex=query.get("regex") == "1",
    )


def _levels(text: str) -> frozenset[int]:
    known = {str(value) for value in Log.Level.values}
    parts = [part for part in text.split(",") if part]
    if wrong := [part for part in parts if part not in known]:
        raise BadFilter(f"There is no level {wrong[0][:20]!r}; levels are {', '.join(sorted(known, key=int))}.")
    return frozenset(map(int, parts))


def _field(text: str) -> FieldIs:
    name, has_value, value = text.partition("=")
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        has_value = ""
    if not name or not has_value or isinstance(parsed, dict | list) or len(text) > 2 * LONGEST_TEXT:
        raise BadFilter(
            f'A field is written name=value, the value as JSON: status=404 or shop="north". Not: {text[:60]}'
        )
    return FieldIs(name, parsed)


class _Member(Func):
    """SQLite: a member of a JSON text, as JSON text; NULL when there is none."""

    template = "(%(expressions)s)"
    arg_joiner = " -> "
    output_field = TextField()


def _having(lines: QuerySet[Log], field: FieldIs) -> QuerySet[Log]:
    values: list[Any] = [field.value]
    # Integers that a browser cannot hold reach it as text (rows.py), and come back as text.
    if isinstance(field.value, str) and field.value.lstrip("-").isdigit() and abs(int(field.value)) > SAFE_INTEGER:
        values.append(int(field.value))
    if _is_sqlite(lines):
        if '"' in field.name:
            raise BadFilter("A field whose name holds a quotation mark cannot be filtered by here.")
        texts: list[Any] = [Func(Value(json.dumps(value, ensure_ascii=False)), function="JSON") for value in values]
        member = _Member(F("context_json"), Value(f'$."{field.name}"'))
        return lines.alias(member=member).filter(member__in=texts)
    matching = Q()
    for value in values:
        matching |= Q(context_json__contains={field.name: value})
    return lines.filter(matching)


def _is_sqlite(lines: QuerySet[Log]) -> bool:
    return connections[lines.db].vendor == "sqlite"
