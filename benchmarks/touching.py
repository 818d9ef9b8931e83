"""What it costs a run that its statements are noted. Part of the section "records"."""

from __future__ import annotations

import os
import statistics
import sys
import time

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=records"
QUICK = bool(os.environ.get("QUICK"))
STATEMENTS = 1_000 if QUICK else 4_000
ROUNDS = 5 if QUICK else 15
TARGET = 0.03


def statements(count: int) -> float:
    """Seconds for so many queries by the ORM and inserts, in PostgreSQL."""
    from django.db import connection

    from collectors.sources.examples.shop.books.models import Book

    begun = time.perf_counter()
    with connection.cursor() as cursor:
        for number in range(count // 2):
            list(Book.objects.filter(isbn=str(number))[:1])
            cursor.execute("SELECT count(*) FROM examples_shop_books_book WHERE title = %s", [str(number)])
    return time.perf_counter() - begun


def figures() -> list[Figure]:
    """The same statements with and without being noted, by turns."""
    from apps.databases.touching import Touched, Touching

    told: list[Touched] = []
    plain, noted = [], []
    for _ in range(ROUNDS):
        plain.append(statements(STATEMENTS))
        with Touching(told.append).watching():
            noted.append(statements(STATEMENTS))
    share = statistics.median(b / a for a, b in zip(plain, noted, strict=True)) - 1
    assert told
    return [
        Figure(
            measure="noting which tables are touched",
            ours=100 * share,
            unit="% of the database time",
            target="<= 3 %",
            ok=share <= TARGET,
            n=ROUNDS * STATEMENTS,
            command=COMMAND,
            limit=statistics.median(plain) / STATEMENTS * 1e6,
            ratio=1 + share,
        )
    ]


if __name__ == "__main__":
    with platform_on_postgres():
        sys.exit(0 if publish("touching", figures()) else 1)
