"""Text search over many lines on PostgreSQL: how long the first page takes, and what the index costs.

Needs a PostgreSQL: the one that the tests find or start (docs/testing.md).
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=log_search"
LINES = 300_000 if os.environ.get("QUICK") else 10_000_000
ROUNDS = 5
BATCH = 20_000
NEEDLE = "f00dfeedbeefcafe"


def write_lines(count: int) -> tuple[float, float]:
    """Lines as runs write them, stored as the shipper stores them. Returns the seconds of the first and last tenth."""
    from django.db import connection, transaction

    from apps.logs.storage import Origin, row_maker, store_rows
    from collectors.toolkit.journal import Frame

    dice, seconds = random.Random(1), list[float]()
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    events = ["page.fetched", "page.parsed", "item.stored", "request.retried", "proxy.leased", "session.renewed"]

    def row(number: int) -> Any:
        run = number // 5_000
        data = {
            "event": dice.choice(events),
            "level": 40 if dice.random() < 0.002 else 30 if dice.random() < 0.01 else 20,
            "logger": f"source.group{run % 7}.parent{run % 31}.app{run % 101}",
            "module": "main",
            "function": "collect",
            "line": dice.randrange(400),
            "thread": "MainThread",
            "c": {
                "url": f"https://shop{dice.randrange(40)}.example.com/catalogue/item-{dice.randrange(10**7)}/index.html",
                "status": dice.choice((200, 200, 200, 304, 404, 503)),
                "took_ms": round(dice.random() * 900, 2),
                "trace": f"{dice.getrandbits(64):016x}",
            },
        }
        if number == count // 50:
            data["c"] = {"order": NEEDLE}
        run_id = f"{run:032x}"
        frame = Frame(number, "log", start + number * 0.05, data, 0)
        return row_maker(Origin(run_id, run % 101, run_id)).row(frame, number % 5_000 + 1)

    for first in range(0, count, BATCH):
        rows = [row(number) for number in range(first, min(first + BATCH, count))]
        begun = time.monotonic()
        with transaction.atomic():
            store_rows(rows)
        seconds.append(time.monotonic() - begun)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what autovacuum does by itself where it is on
    tenth = max(1, len(seconds) // 10)
    return sum(seconds[:tenth]), sum(seconds[-tenth:])


def build_index() -> tuple[float, float]:
    """Seconds of wall clock and of CPU of this process, for all lines."""
    from apps.logs.indexing import index_chunks

    wall, cpu = time.monotonic(), time.process_time()
    while index_chunks(60):
        pass
    return time.monotonic() - wall, time.process_time() - cpu


def median_ms(step: Callable[[], object]) -> float:
    """The median of several rounds, the first one included: a person searches once."""
    took = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        step()
        took.append((time.monotonic() - begun) * 1000)
    return statistics.median(took)


def searches() -> list[Figure]:
    """First pages of what people look for: rare, common, numbers, short, with qualifiers, absent."""
    from apps.logs.search import Filters, Page, search

    newest = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=LINES * 0.05)
    kinds = {
        "one old line by a rare word": Filters(texts=(NEEDLE,)),
        "a word of every sixth line": Filters(texts=("session.renewed",)),
        "a number of seven digits": Filters(texts=("item-4711815",)),
        "an error of one app": Filters(texts=("status=503",), level=40, app_ids=(17,)),
        "two words of one line": Filters(texts=("shop17.example", "took_ms=123")),
        "a text of two letters": Filters(texts=("ag",)),
        "a text that is nowhere": Filters(texts=("no such line anywhere",)),
        "errors of the last hour": Filters(level=40, since=newest - timedelta(hours=1)),
        "no filter at all": Filters(),
    }
    figures = []
    for name, filters in kinds.items():
        pages: list[Page] = []
        took = median_ms(lambda filters=filters, pages=pages: pages.append(search(filters, limit=50, budget_s=0.8)))  # type: ignore[misc]
        page = pages[-1]
        print(f"     {name}: {len(page.lines)} lines, {'all of it' if page.is_complete else 'more to come'}")
        figures.append(
            Figure(
                measure=f"first page of {LINES:,} lines: {name}",
                ours=took,
                unit="ms",
                target="<= 1,000 ms",
                ok=took <= 1000 and (page.is_complete or bool(page.lines)),
                n=ROUNDS,
                command=COMMAND,
            )
        )
    return figures


def sizes() -> dict[str, float]:
    """Megabytes of the table of lines and of the index of the search."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('logs_log'), pg_total_relation_size('logs_logchunk')")
        log, chunks = cursor.fetchone()
    return {"lines": log / 1e6, "index": chunks / 1e6}


def figures() -> list[Figure]:
    """Everything, on a platform whose table of lines is emptied first."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE logs_log, logs_logchunk, logs_loggram")
    first, last = write_lines(LINES)
    print(f"     {LINES:,} lines written; first tenth {first:.1f} s, last tenth {last:.1f} s")
    wall, cpu = build_index()
    took = sizes()
    print(f"     index built in {wall:.0f} s ({cpu:.0f} s CPU); lines {took['lines']:.0f} MB")
    found = searches()
    rate = LINES / wall
    return [
        *found,
        Figure(
            measure="lines indexed in the background",
            ours=rate,
            unit="lines/s",
            target=">= 20,000/s",
            ok=rate >= 20_000,
            n=1,
            command=COMMAND,
        ),
        Figure(
            measure="size of the index beside its lines",
            ours=took["index"],
            unit="MB",
            target="<= the lines",
            ok=took["index"] <= took["lines"],
            n=1,
            command=COMMAND,
            limit=took["lines"],
            ratio=took["index"] / took["lines"],
        ),
    ]


def main() -> int:
    """Measure and publish."""
    with platform_on_postgres():
        found = figures()
    return 0 if publish("log_search", found) else 1


if __name__ == "__main__":
    sys.exit(main())
