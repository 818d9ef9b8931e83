"""Canonical forms a column at a time: what the interpreter would do for every value is done once for hundreds.

Each function takes values of the one type it names and returns their canonical forms, in order; `canonical.py` says
what those are, and the tests hold the two against each other. `OddColumn` says that a column is not for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any
from unicodedata import normalize

from collectors.toolkit.merge.canonical import canonical
from collectors.toolkit.merge.compiling import body, written
from collectors.toolkit.merge.quick import ODD, TEXTS, TWO, Integers, Numbers, days

Column = Sequence[Any]
Forms = list[str]
Former = Callable[[Column], Forms]

SEPARATOR = "\0"
NULL = canonical(None)
BOOLEANS = {value: canonical(value) for value in (True, False)}
#: What ASCII letters are in lower case, and the white space among ASCII.
LOWER, WHITE_SPACE = bytes(range(256)).lower(), ODD.replace(b"\0", b"") + b" "
MINUTES = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]
#: Longer integers are refused by str() some time.
LARGEST = 10**18

zone_of = attrgetter("tzinfo")


class OddColumn(ValueError):
    """Something in the column has to be looked at by itself."""


def texts(column: Column) -> Forms:
    """All texts are one while they are folded: a NUL, which no text may hold, keeps them apart."""
    joined = SEPARATOR.join(column)
    if joined.isascii():
        joined = joined.encode().translate(LOWER, WHITE_SPACE).decode()
    else:
        joined = normalize("NFC", "".join(normalize("NFC", joined).casefold().split()))
    found = joined.split(SEPARATOR)
    if len(found) != len(column):
        raise OddColumn("a NUL character")
    try:
        return [TEXTS[len(text)] + text for text in found]
    except IndexError:
        return [f"s{len(text)}:{text}" for text in found]


def booleans(column: Column) -> Forms:
    return list(map(BOOLEANS.__getitem__, column))


def integers() -> Former:
    """With a memory of its own, as the other numbers: each column repeats its own values."""
    form_of = Integers().__getitem__

    def forms(column: Column) -> Forms:
        if not -LARGEST < min(column) <= max(column) < LARGEST:
            raise OddColumn("a long integer")
        return list(map(form_of, column))

    return forms


def floats() -> Former:
    form_of = Numbers().__getitem__
    return lambda column: list(map(form_of, column))


def decimals(numbers: Numbers | None = None) -> Former:
    """`numbers` may refuse some of them."""
    form_of = (Numbers() if numbers is None else numbers).__getitem__
    return lambda column: list(map(form_of, map(str, column)))


def dates(column: Column) -> Forms:
    return [f"d10:{days[value.toordinal()]}" for value in column]


def moments(column: Column) -> Forms:
    zones = set(map(zone_of, column))
    if None in zones:
        raise OddColumn("a time without a zone")
    if zones != {UTC}:
        return list(map(canonical, column))
    return [
        f"t25:{days[value.toordinal()]}{MINUTES[value.hour * 60 + value.minute]}{TWO[value.second]}+00:00"
        if not value.microsecond
        else f"t32:{days[value.toordinal()]}{MINUTES[value.hour * 60 + value.minute]}{TWO[value.second]}"
        f".{value.microsecond:06}+00:00"
        for value in column
    ]


def others(column: Column) -> Forms:
    """Values of whatever type."""
    return list(map(canonical, column))


#: Type of the values -> what makes a function for one column of them.
FORMERS: dict[type, Callable[[], Former]] = {
    str: lambda: texts,
    bool: lambda: booleans,
    int: integers,
    float: floats,
    Decimal: decimals,
    date: lambda: dates,
    datetime: lambda: moments,
}


def with_nulls(column: Column, former: Former) -> Forms:
    """The forms of a column in which some values are None."""
    present = [value for value in column if value is not None]
    forms = iter(former(present) if present else [])
    return [NULL if value is None else next(forms) for value in column]


def row_hasher(names: Sequence[str]) -> Callable[[Mapping[str, Forms]], list[str]]:
    """A function from the forms of the columns `names` to the digests of the rows, those of `make_hash`.

    It raises `UnicodeEncodeError` where half a character is in a text.
    """
    variables = {name: f"p{number}" for number, name in enumerate(names)}
    source = (
        "def digests(forms):\n"
        f"    columns = zip({', '.join(f'forms[{name!r}]' for name in variables)}, strict=True)\n"
        f"    rows = [{body(variables)} for {', '.join(variables.values())}, in columns]\n"
        "    return [sha3_256(f'm{len(row)}:{row}'.encode()).hexdigest() for row in rows]\n"
    )
    digests: Callable[[Mapping[str, Forms]], list[str]] = written(source, "digests", sha3_256=hashlib.sha3_256)
    return digests
