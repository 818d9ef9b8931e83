"""Short ways to the canonical form of common values, for written code; `canonical.py` says what it has to be."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from unicodedata import normalize

from collectors.toolkit.merge.canonical import canonical

#: So many different numbers (of one field) and days are remembered, the first that come: three megabytes at most.
REMEMBERED = 20_000

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
    """Floats by their value, decimals by their text: several texts may stand for one number, and have one form."""

    def __missing__(self, number: float | str) -> str:
        text = str(number)
        whole, _, part = text.partition(".")
        if part.isdecimal() and part[-1] != "0" and whole.isdecimal() and whole[0] != "0":
            text = f"{whole}{part}e-{len(part)}"
            form = f"i{len(text)}:{text}"
        else:
            form = canonical(Decimal(text))
        if len(self) < REMEMBERED:
            self[number] = form
        return form


class Integers(dict[int, str]):
    """Integers of up to 18 digits."""

    def __missing__(self, number: int) -> str:
        digits = str(number)
        form = f"{INTEGERS[len(digits)]}{digits}e0" if digits[-1] != "0" else trailing(digits)
        if len(self) < REMEMBERED:
            self[number] = form
        return form


class LimitedNumbers(Numbers):
    """Decimals of so many digits, so many of them after the point. Raises `ValueError` for all others."""

    def __init__(self, digits: int, places: int) -> None:
        super().__init__()
        self._digits, self._places = digits, places

    def __missing__(self, number: float | str) -> str:
        whole, _, part = str(number).removeprefix("-").partition(".")
        # Without the zero in front of the point: 0.5 has one digit.
        if len(whole.lstrip("0")) > self._digits - self._places or len(part) > self._places:
            raise ValueError(f"{number} has too many digits")
        if not whole.isdecimal() or not (part or "0").isdecimal():
            raise ValueError(f"{number} is not written plainly")
        return super().__missing__(number)


class _Days(dict[int, str]):
    """ISO dates by their ordinal."""

    def __missing__(self, ordinal: int) -> str:
        text = date.fromordinal(ordinal).isoformat()
        if len(self) < REMEMBERED:
            self[ordinal] = text
        return text


days = _Days()


def day(value: date) -> str:
    """A date."""
    return f"d10:{days[value.toordinal()]}"


def moment(value: datetime) -> str:
    """A moment whose zone is `datetime.UTC`."""
    text = f"{days[value.toordinal()]}T{TWO[value.hour]}:{TWO[value.minute]}:{TWO[value.second]}"
    if value.microsecond:
        return f"t32:{text}.{value.microsecond:06}+00:00"
    return f"t25:{text}+00:00"
