"""Records: a snapshot merged into a table that holds as many rows, beside the limit, in the same run.

The limit is what a database can do at best: the hashes are given, every row goes by binary COPY into an unlogged
temporary table, two set statements do the rest. Ours checks and hashes the rows as well. Both get the same rows,
alternately, 1 % of them new and 1 % gone each time; the ratio is that of the medians.
"""

from __future__ import annotations

import gc
import hashlib
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import peers, touching
from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres
from benchmarks.snapshots import NAMES, OIDS, Snapshot

COMMAND = "make bench SECTION=records"
IS_QUICK = bool(os.environ.get("QUICK"))
#: Rows of a snapshot -> (merges of each kind, target ratio).
SIZES = {20_000: (3, 2.0)} if IS_QUICK else {100_000: (5, 2.0), 1_000_000: (3, 1.6)}
MEMORY_MB = 200
#: Who else merges so many rows. dlt gave up at a million, django-bulk-sync takes minutes.
PEERS = {
    100_000: ("naive Django", "naive SQLAlchemy", "django-bulk-sync", "dlt scd2"),
    1_000_000: ("naive Django", "naive SQLAlchemy"),
}
#: A compiled hash of 4.3 us beside its digest alone of 0.73 us, whatever the machine.
HASH_TARGET = 4.3 / 0.73
WORKERS, ROUNDS = 8, 10


def make_tables() -> tuple[Any, Any]:
    """Two equal tables: ours, and the one of the limit."""
    from django.db import connection, models

    from apps.records.models import DataTable

    fields = {
        "natural_key": ("code",),
        "__module__": __name__,
        "Meta": type("Meta", (), {"app_label": "records"}),
    }

    def columns() -> dict[str, Any]:
        return {
            "code": models.CharField(max_length=20),
            "name": models.CharField(max_length=200),
            "city": models.CharField(max_length=100),
            "price": models.DecimalField(max_digits=10, decimal_places=2),
            "stock": models.IntegerField(),
            "rating": models.FloatField(),
            "is_open": models.BooleanField(),
            "seen_at": models.DateTimeField(),
        }

    made = tuple(type(name, (DataTable,), {**fields, **columns()}) for name in ("Thing", "LimitThing"))
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    return made[0], made[1]


def merge(model: Any, rows: Any, run: str = "a" * 32) -> Any:
    """As in a run, with the rules that every table has; what they find is told to nobody."""
    from apps.quality.judging import Quality
    from apps.records.store import DjangoRecordStore

    quality = Quality(runtime_id=run, dry_run=False, tell=lambda kind, about: True)  # noqa: ARG005
    return DjangoRecordStore(runtime_id=run, dry_run=False, quality=quality).merge(model, rows)


def limit_merge(model: Any, rows: list[tuple[Any, ...]]) -> tuple[int, int]:
    """`rows` bring their hash along."""
    from django.db import connection, transaction

    table, columns = model._meta.db_table, ", ".join(("sha", *NAMES))
    filled = "archived_by, created_at, modified_at, runtime"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE given ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA")
        with cursor.copy(f"COPY given ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("varchar", *OIDS))
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"UPDATE {table} t SET archived_at = now(), modified_at = now() WHERE archived_at IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM given g WHERE g.code = t.code AND g.sha = t.sha)"
        )
        archived = cursor.rowcount
        cursor.execute(
            f"INSERT INTO {table} ({columns}, {filled}) SELECT {columns}, '', now(), now(), '' FROM given g "
            f"WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE t.archived_at IS NULL "
            "AND t.code = g.code AND t.sha = g.sha)"
        )
        return archived, cursor.rowcount


def of_peers(size: int) -> dict[str, float]:
    """Seconds of each, once; those that gave up are only printed."""
    from django.db import connection

    found = {}
    for peer in PEERS.get(size, ()):
        database = connection.settings_dict
        where = f"{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 5432}"
        # dlt insists on a password, also where none is asked for.
        url = f"postgresql://{database['USER']}:{database['PASSWORD'] or 'none'}@{where}/{database['NAME']}"
        answer = peers.measured("benchmarks.record_peers", peer, str(size), url)
        if answer:
            found[peer] = answer["seconds"]
        print(f"{size:,} rows, {peer}: {answer or 'gave up'}", flush=True)
    return found


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compare(size: int, times: int, target: float, ours: Any, limit: Any) -> Figure:
    from django.db import connection

    from collectors.toolkit.merge import compile_hasher

    hasher = compile_hasher(NAMES)
    step = size // 100
    merge(ours, Snapshot(range(size)))
    limit_merge(limit, [(hasher(row), *row.values()) for row in Snapshot(range(size))])
    took: dict[str, list[float]] = {"ours": [], "limit": []}
    for number in range(1, times + 1):
        numbers = range(number * step, number * step + size)
        rows = list(Snapshot(numbers))
        with_hashes = [(hasher(row), *row.values()) for row in rows]
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {ours._meta.db_table}")
            cursor.execute(f"VACUUM ANALYZE {limit._meta.db_table}")
            cursor.execute("CHECKPOINT")
        seconds, numbers_of_limit = timed(lambda: limit_merge(limit, with_hashes))  # noqa: B023 - called here
        took["limit"].append(seconds)
        seconds, result = timed(lambda: merge(ours, rows))  # noqa: B023 - called here
        took["ours"].append(seconds)
        assert numbers_of_limit == (step, step), numbers_of_limit
        assert (result.inserted, result.archived, result.unchanged) == (step, step, size - step), result
    medians = {name: statistics.median(values) for name, values in took.items()}
    ratio = medians["ours"] / medians["limit"]
    return Figure(
        measure=f"merge of {size:,} rows, hashing included",
        ours=medians["ours"], unit="s", limit=medians["limit"], ratio=ratio, peers=of_peers(size),
        target=f"<= {target:g} x the limit", ok=ratio <= target, n=times, command=COMMAND,
    )  # fmt: skip


def memory(size: int, model: Any) -> list[Figure]:
    """How much a merge adds to the process at its highest, for what can be read twice and for a one-shot iterator."""
    figures = []
    gc.collect()
    before = resident("VmRSS")  # of a process that has merged nothing yet: what is freed may stay with the process
    merge(model, Snapshot(range(size // 100, size + size // 100)))
    for name, rows in {"": Snapshot(range(size)), ", one-shot iterator": iter(Snapshot(range(size)))}.items():
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        merge(model, rows)
        grown = resident("VmHWM") - before
        figures.append(Figure(
            measure=f"memory a merge of {size:,} rows adds{name}", ours=grown, unit="MB",
            target=f"<= {MEMORY_MB} MB", ok=grown <= MEMORY_MB, n=1, command=COMMAND,
        ))  # fmt: skip
    return figures


def resident(name: str) -> float:
    """Megabytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def hash_cost(size: int = 100_000) -> Figure:
    """CPU of the compiled hash of one row, and of the digest alone."""
    from apps.records.columns import KINDS
    from collectors.toolkit.merge import canonical, compile_hasher

    kinds = {"code": str, "name": str, "city": str, "price": Decimal, "stock": int, "rating": float}
    assert set(kinds.values()) <= set(KINDS.values())
    hasher = compile_hasher({**kinds, "is_open": bool, "seen_at": datetime})
    rows = list(Snapshot(range(size)))
    texts = [canonical(row).encode() for row in rows]
    ours, alone = [], []
    for _ in range(5):
        began = time.process_time()
        for row in rows:
            hasher(row)
        ours.append((time.process_time() - began) / size * 1e6)
        began = time.process_time()
        for text in texts:
            hashlib.sha3_256(text).hexdigest()
        alone.append((time.process_time() - began) / size * 1e6)
    cost, limit = statistics.median(ours), statistics.median(alone)
    return Figure(
        measure="hash of one row of 8 fields, CPU", ours=cost, unit="us", limit=limit, ratio=cost / limit,
        target=f"<= {HASH_TARGET:.1f} x the digest alone", ok=cost / limit <= HASH_TARGET, n=5, command=COMMAND,
    )  # fmt: skip


def workers(model: Any, rows: int = 2000) -> Figure:
    """Merges of overlapping snapshots at the same moment: what surfaces?"""
    from django.db import connections

    together, errors = threading.Barrier(WORKERS), []

    def work(number: int) -> None:
        try:
            together.wait()
            for turn in range(ROUNDS):
                begin = (number * 7 + turn * 13) % 97
                merge(model, Snapshot(range(begin, begin + rows)), f"{number:032}")
        except Exception as error:  # noqa: BLE001 - counted
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{WORKERS * ROUNDS} merges by {WORKERS} workers took {time.perf_counter() - began:.1f} s; {errors[:1]}")
    return Figure(
        measure=f"errors that surface in {WORKERS * ROUNDS} merges of {WORKERS} workers on one table",
        ours=len(errors), unit="errors", target="0", ok=not errors, n=WORKERS * ROUNDS, command=COMMAND,
    )  # fmt: skip


def main() -> bool:
    figures = [hash_cost()]
    with platform_on_postgres():
        from django.db import connection

        ours, limit = make_tables()
        # First, while the process is small: memory that was used and freed hides what a merge needs.
        figures += memory(max(SIZES), ours)
        for size, (times, target) in SIZES.items():
            for model in (ours, limit):
                with connection.cursor() as cursor:
                    cursor.execute(f"TRUNCATE {model._meta.db_table}")
            figures.append(compare(size, times, target, ours, limit))
            print(figures[-1].measure, f"{figures[-1].ratio:.2f}", flush=True)
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {ours._meta.db_table}")
        figures.append(workers(ours))
        figures += touching.figures()
    return publish("records", figures)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
