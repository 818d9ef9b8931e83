"""Section "logs": what a line costs where it is said, how fast journals reach PostgreSQL and browsers, and the search.

Needs a PostgreSQL: the one that the tests find or start (docs/testing.md).
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from benchmarks import function_tracking, live_log, log_search
from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=logs"
QUICK = bool(os.environ.get("QUICK"))
LINES = 20_000 if QUICK else 100_000
ROUNDS = 3 if QUICK else 5
#: What a line costs at least, on the machine for which the targets were set.
LIMIT_US = 1.1
#: PostgreSQL's types of the columns of a line, as psycopg's binary COPY wants to know them.
TYPES = (
    *("varchar", "int8", "int8", "varchar", "int8", "timestamptz", "int2", "varchar", "varchar", "varchar"),
    *("int4", "varchar", "text", "text", "jsonb", "text", "varchar"),
)


def cpu_us(call: Callable[[], object], n: int) -> float:
    """CPU microseconds of one call in this thread, the best of three times: noise only adds."""
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        for _ in range(n):
            call()
        best = min(best, (time.thread_time() - start) / n * 1e6)
    return best


def producing() -> list[Figure]:
    """A line with context, redaction and checksum, through structlog and through `logging`."""
    from collectors.toolkit.journal import Journal, Redactor
    from collectors.toolkit.journal.service import service

    url = "https://example.org/catalogue/page/17"
    bare = {"event": "page.fetched", "url": url, "status": 200, "level": 20, "logger": "source.x", "runtime": "a" * 32}
    consoles = logging.getLogger().handlers
    for handler in consoles:
        handler.setLevel(logging.CRITICAL + 1)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), about=dict, redactor=Redactor(["a secret value", "another one"]))
        file = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        log, standard = structlog.get_logger("source.x"), logging.getLogger("library")
        with service.writing_to(journal), structlog.contextvars.bound_contextvars(runtime="a" * 32):
            calls: dict[str, Callable[[], object]] = {
                "limit": lambda: os.write(file, orjson.dumps(bare) + b"\n"),
                "structlog": lambda: log.info("page.fetched", url=url, status=200),
                "logging": lambda: standard.info("page %s fetched: %d", url, 200),
            }
            rounds = [{name: cpu_us(call, LINES // 3) for name, call in calls.items()} for _ in range(ROUNDS)]
        journal.close()
        os.close(file)
    return [_producing(name, target, rounds) for name, target in (("structlog", 9), ("logging", 12))]


def _producing(name: str, target: int, rounds: list[dict[str, float]]) -> Figure:
    """What counts is the ratio of a round: the target is that of a machine on which the limit is 1.1 us."""
    ratio, allowed = statistics.median(figures[name] / figures["limit"] for figures in rounds), target / LIMIT_US
    return Figure(
        measure=f"cost of a line, through {name}",
        ours=statistics.median(figures[name] for figures in rounds),
        unit="us CPU",
        target=f"<= {allowed:.1f} times the limit, {target} us where that is {LIMIT_US}",
        ok=ratio <= allowed,
        n=ROUNDS * LINES,
        command=COMMAND,
        limit=statistics.median(figures["limit"] for figures in rounds),
        ratio=ratio,
    )


def shipping() -> list[Figure]:
    """Journal to PostgreSQL with one shipper, beside a bare binary COPY of the same rows in the same round."""
    from django.db import connection

    from apps.core.clock import utc_now
    from apps.registry.services import register_app
    from apps.runtime.journals import journal_root, open_journal
    from apps.runtime.models import Runtime, State
    from apps.runtime.shipper import Shipper
    from collectors.identity import parse_code

    app = register_app(parse_code("bench.logs.lines"))
    ours, limits = [], []
    for _ in range(ROUNDS):
        now = utc_now()
        run = Runtime.objects.create(app=app, state=State.RUNNING, slot=0, queued_at=now, trigger="SHELL")
        journal = open_journal(run)
        data = {
            "event": "page.fetched",
            "level": 20,
            "logger": "source.x",
            "module": "main",
            "function": "collect",
            "line": 17,
            "thread": "MainThread",
            "c": {"url": "https://example.org/catalogue/page/17", "status": 200},
        }
        for _ in range(LINES):
            journal.write("log", data)
        journal.close()
        limits.append(LINES / bare_copy(connection, run.pk))
        start = time.perf_counter()
        Shipper(journal_root()).ship(journal.path)
        ours.append(LINES / (time.perf_counter() - start))
        run.finish(State.FAILED, at=utc_now())
    share = statistics.median(a / b for a, b in zip(ours, limits, strict=True))
    return [
        Figure(
            measure="journal to PostgreSQL, one shipper",
            ours=statistics.median(ours),
            unit="lines/s",
            target=">= 60 % of the limit",
            ok=share >= 0.6,
            n=ROUNDS * LINES,
            command=COMMAND,
            limit=statistics.median(limits),
            ratio=share,
        )
    ]


def bare_copy(connection: Any, run_id: str) -> float:
    """Seconds for the same rows, ready-made, by binary COPY in batches of 5,000.

    The table has our columns, a primary key and unique (journal, seq); each batch is a transaction.
    """
    from django.db import transaction

    from apps.logs.storage import Line

    now, journal = datetime.now(UTC), os.urandom(16).hex()
    context = orjson.dumps({"url": "https://example.org/catalogue/page/17", "status": 200})
    said = ("source.x", "main", "collect", 17, "MainThread", "", "page.fetched", context, "", "")
    rows = [(run_id, 1, n, journal, n, now, 20, *said) for n in range(LINES)]
    columns = ", ".join(Line._fields)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bare_lines (LIKE logs_log INCLUDING DEFAULTS INCLUDING IDENTITY,"
            " PRIMARY KEY (id), UNIQUE (journal, seq))"
        )
        register_json_text(cursor.cursor)
        start = time.perf_counter()
        for first in range(0, LINES, 5_000):
            with transaction.atomic(), cursor.copy(f"COPY bare_lines ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(TYPES)
                for row in rows[first : first + 5_000]:
                    copy.write_row(row)
        return time.perf_counter() - start


def register_json_text(cursor: Any) -> None:
    """JSON that is text already goes into a jsonb column as it is, behind the version byte of its binary form."""
    from psycopg import adapters
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class JsonTextDumper(Dumper):
        format = Format.BINARY
        oid = adapters.types["jsonb"].oid

        def dump(self, obj: bytes) -> bytes:
            return b"\x01" + obj

    cursor.adapters.register_dumper(bytes, JsonTextDumper)


def main() -> int:
    """Measure and publish; the parts that are sections of their own as these."""
    with platform_on_postgres():
        parts = {
            "logs": lambda: [*producing(), *shipping(), *function_tracking.figures()],
            "live_log": live_log.figures,
            "log_search": log_search.figures,
        }
        are_good = [publish(name, part()) for name, part in parts.items()]
    return 0 if all(are_good) else 1


if __name__ == "__main__":
    sys.exit(main())
