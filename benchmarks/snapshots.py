"""The rows that merges are measured with: eight columns of mixed types. Nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

NAMES = ("code", "name", "city", "price", "stock", "rating", "is_open", "seen_at")
OIDS = ("varchar", "varchar", "varchar", "numeric", "int4", "float8", "bool", "timestamptz")
BASE = datetime(2026, 1, 1, tzinfo=UTC)


def values_of(number: int) -> tuple[Any, ...]:
    return (
        f"C{number:09}",
        f"Name of thing {number}",
        f"City {number % 500}",
        Decimal(number * 37 % 9973) / 100,
        number % 1000,
        number % 50 / 10,
        number % 3 == 0,
        BASE + timedelta(seconds=number),
    )


def row_of(number: int) -> dict[str, Any]:
    return dict(zip(NAMES, values_of(number), strict=True))


class Snapshot:
    """The rows of a site, made when they are asked for; they can be gone through again."""

    def __init__(self, numbers: range) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(row_of, self.numbers)
