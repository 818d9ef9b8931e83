"""Short ways to the canonical form of common values, for written code; `canonical.py` says what it has to be."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from unicodedata import normalize

from collectors.toolkit.merge.canonical import canonical

#: So many different numbers (of one field) and days are remembered, the first that come: a megabyte at most.
REMEMBERED = 5_000

TEXTS = [f"s{length}:" for length in range(256)]
#: By the number of digits, minus included; two more are the exponent "e0".
INTEGERS = [f"i{length + 2}:" for length in range(24)]
TWO = [f"{number:02}" for number in range(60)]
#: White space other than the blank, and NUL.
ODD = bytes([*range(9, 14), *range(28, 32), 0])


def is_odd(encoded: bytes) -> bool:
    """Whether ASCII white space other than blanks, or a NUL, is in there."""
    return len(encoded.translate(None, ODD)) != len(encoded)


def foreign(value: str) -> str:
    """Text that is not ASCII, or long. Half of a character passes: it is refused when the row is encoded."""
    text = normalize("NFC", "".join(normalize("NFC", value).casefold().split()))
    return f"s{len(text)}:{text}"


def trailing(digits: str) -> str:
    """An integer that ends in zeros."""
    stripped = digits.rstrip("0")
    text = f"{stripped}e{len(digits) - len(stripped)}" if stripped else "0"
    return f"i{len(text)}:{text}"


class Numbers(dict[Any, str]):
    """Finite and infinite floats and decimals, by value: equal ones have one form."""

    def __missing__(self, number: float | Decimal) -> str:
        text = str(number)
        whole, _, part = text.partition(".")
        if part.isdecimal() and (part := part.rstrip("0")) and whole[-1] != "0":
            text = f"{whole}{part}e-{len(part)}"
            form = f"i{len(text)}:{text}"
        else:
            form = canonical(number)
        if len(self) < REMEMBERED:
            self[number] = form
        return form


class _Days(dict[int, str]):
    """ISO dates by their ordinal."""

    def __missing__(self, ordinal: int) -> str:
        text = date.fromordinal(ordinal).isoformat()
        if len(self) < REMEMBERED:
            self[ordinal] = text
        return text


_days = _Days()


def day(value: date) -> str:
    """A date."""
    return f"d10:{_days[value.toordinal()]}"


def moment(value: datetime) -> str:
    """A moment whose zone is `datetime.UTC`."""
    text = f"{_days[value.toordinal()]}T{TWO[value.hour]}:{TWO[value.minute]}:{TWO[value.second]}"
    if value.microsecond:
        return f"t32:{text}.{value.microsecond:06}+00:00"
    return f"t25:{text}+00:00"
