"""Letting PostgreSQL look into many lines, so that only those travel that may match.

What is searched is the line as pages show it, in Unicode's one case; what the database can search at that speed is the
JSON text of the line, in ASCII's. So it is asked for words that stand in both, and for all lines that are not ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db import connections
from django.db.models import CharField, F, Func, QuerySet

from apps.logs.models import Log

_WORDS = re.compile(r"[a-z0-9_]+")
#: None is shown so, and stored as null.
_SHOWN_OTHERWISE = "none"


def words_of(needles: Sequence[str]) -> list[str]:
    """The parts of what is looked for that stand in the JSON text of every ASCII line that holds the needles."""
    words = {word for needle in needles for word in _WORDS.findall(needle)}
    return sorted(word for word in words if _is_stored_as_shown(word))


def _is_stored_as_shown(word: str) -> bool:
    # Numbers lose their exponent on the way into jsonb: 1e+22 becomes 10000000000000000000000. Its digits are three.
    is_number = not word.strip("0123456789e")
    return len(word) >= (4 if is_number else 3) and not (is_number and "e" in word) and word not in _SHOWN_OTHERWISE


def sieved(lines: QuerySet[Log], words: Sequence[str]) -> list[int]:
    """The ids of those of the lines, in no order, that may hold all the words. On PostgreSQL only."""
    sql, params = lines.order_by().annotate(said=_Said()).values_list("pk", "said").query.sql_with_params()
    patterns = [f"%{word.replace('_', chr(92) + '_')}%" for word in words]
    with connections[lines.db].cursor() as cursor:
        # OFFSET 0: the text is put together once and not for each time it is looked at.
        cursor.execute(
            f"SELECT line.id FROM ({sql} OFFSET 0) AS line (id, said)"  # noqa: S608 - a query of Django's
            ' WHERE lower(said COLLATE "C") LIKE ALL (%s) OR octet_length(said) <> length(said)',
            [*params, patterns],
        )
        return [row[0] for row in cursor.fetchall()]


class _Said(Func):
    """All that a line says, as it is stored."""

    template = "(%(expressions)s)"
    arg_joiner = " || '\n' || "
    output_field = CharField()

    def __init__(self) -> None:
        super().__init__(F("message"), _AsText(F("context_json")), F("exception"))


class _AsText(Func):
    template = "%(expressions)s::text"
    output_field = CharField()
