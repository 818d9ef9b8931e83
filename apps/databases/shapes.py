"""Statements without their values: what is the same in a thousand of them."""

from __future__ import annotations

import re

#: Longer statements are cut: what they name stands at their beginning.
LONGEST = 10_000

_PLACEHOLDER = re.compile(r"%s|%\(\w+\)s")
_LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w$])\d+(?:\.\d+)?")
#: One row is like a thousand rows.
_MORE_ROWS = re.compile(r"(\((?:0|NULL|DEFAULT|[\s,])+\))(?:\s*,\s*\((?:0|NULL|DEFAULT|[\s,])+\))+", re.IGNORECASE)
_MORE_VALUES = re.compile(r"\b0(?:\s*,\s*0)+")
_TEMPORARY = re.compile(
    r"\s*CREATE\s+(?:(?:LOCAL|GLOBAL|UNLOGGED)\s+)*TEMP(?:ORARY)?\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?([\w$]+)"
    r"|\s*CREATE\s+TABLE\s+\[?(#[\w$]+)",
    re.IGNORECASE,
)


def shape_of(sql: str) -> str:
    """The statement without its values. No value of anybody's is in it."""
    shape = _LITERAL.sub("0", _PLACEHOLDER.sub("0", sql))
    return _MORE_ROWS.sub(r"\1", _MORE_VALUES.sub("0, 0", shape))[:LONGEST]


def temporary_table(shape: str) -> str:
    """The table that it makes and nobody else sees; "" when it makes none."""
    made = _TEMPORARY.match(shape)
    return (made[1] or made[2]) if made else ""
