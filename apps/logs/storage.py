"""Lines into the database, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

from apps.logs.models import Log
from collectors.toolkit.journal import Frame


class Line(NamedTuple):
    """One row of `Log`, in the order of its columns."""

    runtime_id: str | None
    app_id: int | None
    line_number: int | None
    journal: str
    seq: int
    logged_at: float
    """Seconds since the epoch."""
    level: int
    logger: str
    module: str
    function: str
    source_line: int | None
    thread: str
    call_chain: str
    message: str
    context_json: bytes
    """JSON text."""
    exception: str
    fingerprint: str


_SQLITE_BATCH = 1_000


def store_lines(lines: Iterable[Line]) -> None:
    """Write the lines in the caller's transaction: COPY on PostgreSQL, batched inserts elsewhere.

    A generator is read while the database works on what it has. Raises `django.db.DatabaseError`.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _copy(cursor, lines)
        else:
            _insert(cursor, lines)


def _columns() -> str:
    return ", ".join(connection.ops.quote_name(name) for name in Line._fields)


def _table() -> str:
    return connection.ops.quote_name(Log._meta.db_table)


def _copy(cursor: CursorWrapper, lines: Iterable[Line]) -> None:
    from apps.logs.postgres import copy_blocks

    with (
        connection.wrap_database_errors,
        cursor.copy(f"COPY {_table()} ({_columns()}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        for block in copy_blocks(lines):
            copy.write(block)


def _insert(cursor: CursorWrapper, lines: Iterable[Line]) -> None:
    marks = ", ".join(["%s"] * len(Line._fields))
    sql = f"INSERT INTO {_table()} ({_columns()}) VALUES ({marks})"  # noqa: S608 - names of our own
    rows = iter(lines)
    while batch := [_adapted(line) for line in islice(rows, _SQLITE_BATCH)]:
        cursor.executemany(sql, batch)


def _adapted(line: Line) -> tuple[Any, ...]:
    values = line._asdict()
    values["logged_at"] = as_stored(line.logged_at)
    values["context_json"] = line.context_json.decode()
    return tuple(values.values())


def as_stored(logged_at: float) -> Any:
    """The moment of a line, as raw SQL wants it."""
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(logged_at, UTC))


def line_from_frame(frame: Frame, runtime_id: str | None, app_id: int | None, number: int | None, journal: str) -> Line:
    """The row of a frame of kind `log`. What does not fit a column is cut; nothing is refused."""
    seq, _kind, at, data, _end = frame
    get = data.get
    event, context = get("event"), get("c")
    # Line(...) would cost three times as much, which is a tenth of what a line costs on its way.
    return tuple.__new__(
        Line,
        (
            *(runtime_id, app_id, number, journal, seq, at),
            *_said_where(get("level"), get("logger"), get("module"), get("function"), get("line"), get("thread")),
            _text(data["chain"]) if "chain" in data else "",
            event if event.__class__ is str else _text(event),
            orjson.dumps(context) if context and context.__class__ is dict else b"{}",
            _text(data["exc"]) if "exc" in data else "",
            _text(data["fp"])[:32] if "fp" in data else "",
        ),
    )


Place = tuple[int, str, str, str, int | None, str]
#: A program says things in few places and very often: what a place looks like in columns is worked out once.
_places: dict[tuple[Any, ...], Place] = {}


def _said_where(*raw: Any) -> Place:
    try:
        place = _places.get(raw)
    except TypeError:
        return _as_place(*raw)
    if place is None:
        if len(_places) > 50_000:
            _places.clear()
        place = _places[raw] = _as_place(*raw)
    return place


def _as_place(level: Any, logger: Any, module: Any, function: Any, line: Any, thread: Any) -> Place:
    return (
        min(50, max(0, level)) // 10 * 10 if isinstance(level, int) else Log.Level.INFO.value,
        _text(logger)[:200],
        _text(module)[:200],
        _text(function)[:200],
        line if isinstance(line, int) and 0 <= line < 2**31 else None,
        _text(thread)[:100],
    )


def _text(value: Any) -> str:
    if value.__class__ is str:
        return value
    return "" if value is None else str(value)
