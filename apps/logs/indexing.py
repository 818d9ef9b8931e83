"""Building the index of the text search, in the background: ingest pays nothing for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

import orjson
import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, QuerySet, TextField
from django.db.models.functions import Cast

from apps.logs.grams import VERSION, chunk_grams, fact_grams, logger_grams, pack, searchable
from apps.logs.models import Log
from apps.logs.search_models import LogChunk, LogGram
from apps.logs.segments import build_segment

log = structlog.get_logger("logs")

LINES = 256
#: A chunk ends earlier when its lines are long: nobody should read megabytes to look at one match.
CHARS = 512 * 1024
READ = 16 * LINES
#: Steps of `level:`; a chunk holds the fact of each step that one of its lines reaches.
LEVELS = (10, 20, 30, 40, 50)
_WAIT_S = 2.0


class Row(NamedTuple):
    """What of a line can be searched by."""

    id: int
    logged_at: datetime
    level: int
    logger: str
    app_id: int | None
    runtime_id: str | None
    fingerprint: str
    message: str
    context: str
    """JSON text: read by orjson only where it is looked at, in a fraction of the time the field takes."""
    exception: str

    @property
    def text(self) -> str:
        """Its text as the search sees it."""
        return searchable(self.message, orjson.loads(self.context) if self.context != "{}" else {}, self.exception)


def read_rows(lines: QuerySet[Log]) -> list[Row]:
    """These lines, with what they can be searched by."""
    columns = [Cast("context_json", TextField()) if name == "context" else name for name in Row._fields]
    return list(map(Row._make, lines.values_list(*columns)))


def index_chunks(max_seconds: float = 5.0) -> int:
    """Index lines that are closed, in whole chunks; returns how many chunks were made.

    Any number of processes may call this at any time: the unique ends of chunks let one of them win. Raises
    `django.db.DatabaseError`.
    """
    made, deadline = 0, time.monotonic() + max_seconds
    forget_old_grams()
    end = closed_end(min(_WAIT_S, max_seconds))
    while time.monotonic() < deadline:
        last = LogChunk.objects.order_by("-pk").first()
        start, number = (last.last_id, last.pk) if last else (0, 0)
        lines = Log.objects.filter(pk__gt=start, pk__lte=end).order_by("pk")
        chunks = list(_chunks(number, start, read_rows(lines[:READ])))
        if not chunks:
            break
        try:
            with transaction.atomic():
                LogChunk.objects.bulk_create(chunks)
        except IntegrityError:
            break  # another process indexes the same lines
        made += len(chunks)
        while build_segment():
            pass
    return made


def indexed_end() -> int:
    """The last line that the index knows. 0 while it is one of an earlier version, which may not find everything."""
    newest = LogChunk.objects.order_by("-last_id").values_list("last_id", "version").first()
    return newest[0] if newest and newest[1] == VERSION else 0


def forget_old_grams() -> bool:
    """Delete an index that an earlier version of the platform made, so that it is built anew; say if there was one.

    Until then every search is exact, and slower.
    """
    version = LogChunk.objects.order_by("pk").values_list("version", flat=True).first()
    if version in (None, VERSION):
        return False
    with transaction.atomic():
        # Locked: who finds the same index old waits here, and then finds that it is gone.
        oldest = LogChunk.objects.select_for_update().order_by("pk").first()
        if oldest is None or oldest.version == VERSION:
            return False
        LogGram.objects.all().delete()
        LogChunk.objects.all().delete()
    log.info("log_index.begun_anew", version=VERSION)
    return True


def closed_end(wait_s: float) -> int:
    """A line up to which all lines are there: none before it will still be written. 0 when that cannot be said now."""
    end = Log.objects.aggregate(end=Max("pk"))["end"] or 0
    if connection.vendor != "postgresql":
        return end  # one writer at a time
    # On PostgreSQL ids are taken before the lines are committed. Who took one before `end` was read and has not
    # committed holds a lock on the table now; once these are gone, everything up to `end` is visible.
    deadline, writers = time.monotonic() + wait_s, _writers()
    while writers:
        if time.monotonic() >= deadline:
            return 0
        time.sleep(0.02)
        writers &= _writers()
    return end


def _writers() -> set[str]:
    """The transactions that may have written lines that nobody sees yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks"
            " WHERE locktype = 'relation' AND relation = %s::regclass AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
            " AND pid <> pg_backend_pid()",
            [Log._meta.db_table],
        )
        return {row[0] for row in cursor.fetchall()}


def _chunks(number: int, start: int, rows: Sequence[Row]) -> Iterator[LogChunk]:
    """Whole chunks behind chunk `number`; what is left over waits until there are more lines."""
    begin, texts, size = 0, list[str](), 0
    for place, row in enumerate(rows, start=1):
        texts.append(row.text)
        size += len(texts[-1])
        if len(texts) == LINES or size >= CHARS:
            number += 1
            yield _chunk(number, start, rows[begin:place], texts)
            start, begin, texts, size = row.id, place, [], 0


def _chunk(number: int, start: int, rows: Sequence[Row], texts: Sequence[str]) -> LogChunk:
    return LogChunk(
        id=number,
        first_id=start + 1,  # and not the id of the first line: two processes that begin at one place must collide
        last_id=rows[-1].id,
        first_at=min(row.logged_at for row in rows),
        last_at=max(row.logged_at for row in rows),
        line_count=len(rows),
        version=VERSION,
        grams=pack(chunk_grams(texts) | _facts(rows)),
    )


def _facts(rows: Sequence[Row]) -> set[int]:
    highest = max(row.level for row in rows)
    facts: list[tuple[str, object]] = [("level", level) for level in LEVELS if level <= highest]
    facts += [("app", app) for app in {row.app_id for row in rows} if app is not None]
    facts += [("run", run) for run in {row.runtime_id for row in rows} if run is not None]
    facts += [("group", group) for group in {row.fingerprint for row in rows} if group]
    loggers = {row.logger for row in rows}
    return set().union(*starmap(fact_grams, facts), *map(logger_grams, loggers))
