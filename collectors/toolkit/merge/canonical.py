"""The canonical form of values: equal values are the same text on every backend and every Python version.

The canonical form of a row is text, one `name=value` per field, sorted by name. Each value carries a letter for its
type, so that 1, "1", True and None differ, and its length, so that no value can pretend to be two:

    None        n
    bool        b0 b1
    number      i by value: 1, 1.0 and Decimal("1.00") are one number; -0.0 is 0; NaN and infinities have names
    text        s, in NFC, case folded, without any whitespace (also non-breaking)
    datetime    t, ISO in UTC; naive ones are a kind of their own: u
    date, time  d, c, ISO
    timedelta   e, in microseconds
    UUID        as its text
    bytes       x, hexadecimal
    list, dict  l, m, of the canonical forms of their members
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias

Unicode: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]
Surrogates: TypeAlias = Literal["strict", "replace"]

LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TextForm:
    """What is made of text before it is compared."""

    normalize_case: bool = True
    no_spacing: bool = True
    unicode: Unicode | None = "NFC"
    regex: re.Pattern[str] | None = None
    """What it matches is removed first."""
    surrogates: Surrogates = "strict"
    """Whether half a character is an error, or hashed as U+FFFD."""

    def of(self, value: str) -> str:
        """The text as it is compared."""
        text = value if self.regex is None else self.regex.sub("", value)
        text = self.name(text)
        if self.normalize_case:
            text = text.casefold()
        if self.no_spacing:
            text = "".join(text.split())
        # Folding can undo the normal form, so it is made again.
        return self._normal(text) if self.normalize_case or self.no_spacing else text

    def name(self, value: str) -> str:
        """The name of a field: its case and its spaces count."""
        return self._normal(LONE.sub("\ufffd", value) if self.surrogates == "replace" else value)

    def _normal(self, value: str) -> str:
        return value if self.unicode is None else unicodedata.normalize(self.unicode, value)


STANDARD = TextForm()


def canonical(value: Any, form: TextForm = STANDARD) -> str:
    """The canonical form of a value, as described at the top of this module.

    Raises `TypeError` for a type without one, and `OverflowError` for a moment outside the years 1 to 9999 in UTC.
    """
    tag, text = _form(value, form)
    return f"{tag}{len(text)}:{text}"


def _form(value: Any, form: TextForm) -> tuple[str, str]:  # noqa: C901 - a table with one line per type
    match value:
        case None:
            return "n", ""
        case bool():
            return "b", "1" if value else "0"
        case int() | float() | Decimal():
            return "i", _number(value)
        case str():
            return "s", form.of(value)
        case datetime():
            return ("t", value.astimezone(UTC).isoformat()) if value.tzinfo else ("u", value.isoformat())
        case date():
            return "d", value.isoformat()
        case time():
            return "c", value.isoformat()
        case timedelta():
            return "e", str(value // timedelta(microseconds=1))
        case uuid.UUID():
            return "s", form.of(str(value))
        case bytes() | bytearray() | memoryview():
            return "x", bytes(value).hex()
        case Mapping():
            pairs = sorted((form.name(str(key)), canonical(item, form)) for key, item in value.items())
            return "m", "".join(f"{len(key)}:{key}={item}" for key, item in pairs)
        case list() | tuple():
            return "l", "".join(canonical(item, form) for item in value)
        case set() | frozenset():
            return "l", "".join(sorted(canonical(item, form) for item in value))
    raise TypeError(f"a value of type {type(value).__name__} has no canonical form")


def _number(value: float | Decimal) -> str:
    # repr is the shortest text that reads back as the same float: 0.1 and Decimal("0.1") are one number.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number.is_nan():
        return "nan"
    if number.is_infinite():
        return "inf" if number > 0 else "-inf"
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if sign else ''}{stripped}e{int(exponent) + len(text) - len(stripped)}"
