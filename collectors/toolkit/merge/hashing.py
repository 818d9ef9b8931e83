"""The hash of a row: equal rows hash alike on every backend and every Python version.

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

import hashlib
import unicodedata
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any


def make_hash(data: Mapping[str, Any]) -> str:
    """SHA3-256 of the canonical form of a row: 64 hex digits.

    Raises `ValueError` for what no database can store (a lone surrogate, a moment outside the years 1 to 9999), and
    `TypeError` for a value of a type that has no canonical form.
    """
    try:
        return hashlib.sha3_256(canonical(data).encode()).hexdigest()
    except UnicodeEncodeError:
        raise ValueError("text holds a lone surrogate, which cannot be stored") from None
    except OverflowError:
        raise ValueError("a moment lies outside the years 1 to 9999 in UTC, and cannot be stored") from None


def compile_hasher(fields: Sequence[str]) -> Callable[[Mapping[str, Any]], str]:
    """A function that hashes these fields of a row, with the digests of `make_hash`."""
    names = sorted(fields)

    def hasher(row: Mapping[str, Any]) -> str:
        return make_hash({name: row[name] for name in names})

    return hasher


def canonical(value: Any) -> str:
    """The canonical form of a value, as described at the top of this module."""
    tag, text = _form(value)
    return f"{tag}{len(text)}:{text}"


def _form(value: Any) -> tuple[str, str]:  # noqa: C901 - a table with one line per type
    match value:
        case None:
            return "n", ""
        case bool():
            return "b", "1" if value else "0"
        case int() | float() | Decimal():
            return "i", _number(value)
        case str():
            return "s", _text(value)
        case datetime():
            return ("t", value.astimezone(UTC).isoformat()) if value.tzinfo else ("u", value.isoformat())
        case date():
            return "d", value.isoformat()
        case time():
            return "c", value.isoformat()
        case timedelta():
            return "e", str(value // timedelta(microseconds=1))
        case uuid.UUID():
            return "s", _text(str(value))
        case bytes() | bytearray() | memoryview():
            return "x", bytes(value).hex()
        case Mapping():
            pairs = sorted((_text(str(key), fold=False), canonical(item)) for key, item in value.items())
            return "m", "".join(f"{len(key)}:{key}={item}" for key, item in pairs)
        case list() | tuple():
            return "l", "".join(map(canonical, value))
        case set() | frozenset():
            return "l", "".join(sorted(map(canonical, value)))
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


def _text(value: str, *, fold: bool = True) -> str:
    text = unicodedata.normalize("NFC", value)
    if not fold:
        return text
    # Folding can undo the normal form, so it is made again.
    return unicodedata.normalize("NFC", "".join(text.casefold().split()))
