"""Lines into the database, many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, Protocol

import orjson
from django.db import DataError, connection
from django.db.backends.utils import CursorWrapper

from apps.logs.models import Log
from collectors.toolkit.journal import Frame, Said


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


class Origin(NamedTuple):
    """Whose lines a journal holds."""

    runtime_id: str | None
    app_id: int | None
    journal: str


class RowMaker(Protocol):
    """Makes the rows of one journal, in the form in which its database takes them, and counts their levels."""

    origin: Origin
    levels: Counter[int]

    def row(self, frame: Frame, number: int | None) -> Any:
        """The row of a frame of kind `log`. Raises `DataError` for a line that no column could hold."""
        ...

    def said(self, said: Said, number: int | None) -> Any | None:
        """The same from its parts, in half of the time; None for a line that is more than most are."""
        ...


_SQLITE_BATCH = 1_000


def row_maker(origin: Origin) -> RowMaker:
    """For the database in use."""
    if connection.vendor == "postgresql":
        from apps.logs.postgres import CopyRows

        return CopyRows(origin)
    return PlainRows(origin)


def store_rows(rows: Iterable[Any]) -> None:
    """Write what a `row_maker` made, in the caller's transaction: COPY on PostgreSQL, batched inserts elsewhere.

    A generator is read while the database works on what it has. Raises `django.db.DatabaseError`.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _copy(cursor, rows)
        else:
            _insert(cursor, rows)


def _columns() -> str:
    return ", ".join(connection.ops.quote_name(name) for name in Line._fields)


def _table() -> str:
    return connection.ops.quote_name(Log._meta.db_table)


def _copy(cursor: CursorWrapper, rows: Iterable[bytes]) -> None:
    from apps.logs.postgres import copy_blocks

    with (
        connection.wrap_database_errors,
        cursor.copy(f"COPY {_table()} ({_columns()}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        for block in copy_blocks(rows):
            copy.write(block)


def _insert(cursor: CursorWrapper, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(Line._fields))
    sql = f"INSERT INTO {_table()} ({_columns()}) VALUES ({marks})"  # noqa: S608 - names of our own
    waiting = iter(rows)
    while batch := list(islice(waiting, _SQLITE_BATCH)):
        cursor.executemany(sql, batch)


class PlainRows:
    """Rows as any database takes them, one parameter a column."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.levels: Counter[int] = Counter()

    def said(self, _said: Said, _number: int | None) -> None:
        """See `RowMaker`: a database that does not look into JSON text must be given what was read whole."""

    def row(self, frame: Frame, number: int | None) -> tuple[Any, ...]:
        """See `RowMaker`."""
        line = line_from_frame(frame, self.origin, number)
        self.levels[line.level] += 1
        try:
            moment = as_stored(line.logged_at)
        except (ValueError, OverflowError, OSError, TypeError) as error:
            raise DataError(f"Line {frame.seq} of journal {line.journal} fits no column: {error}") from error
        return tuple(line._replace(logged_at=moment, context_json=line.context_json.decode()))  # type: ignore[arg-type]


def as_stored(logged_at: float) -> Any:
    """The moment of a line, as raw SQL wants it."""
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(logged_at, UTC))


def line_from_frame(frame: Frame, origin: Origin, number: int | None) -> Line:
    """The row of a frame of kind `log`. What does not fit a column is cut; nothing is refused."""
    seq, _kind, at, data, _end = frame
    get = data.get
    event, context = get("event"), get("c")
    return Line(
        *(origin.runtime_id, origin.app_id, number, origin.journal, seq, at),
        *as_place(get("level"), get("logger"), get("module"), get("function"), get("line"), get("thread")),
        as_text(get("chain")),
        as_text(event),
        orjson.dumps(context) if context and context.__class__ is dict else b"{}",
        as_text(get("exc")),
        as_text(get("fp"))[:32],
    )


#: Level, logger, module, function, source line and thread, as columns have them.
Place = tuple[int, str, str, str, int | None, str]


def as_place(level: Any, logger: Any, module: Any, function: Any, line: Any, thread: Any) -> Place:
    """Where a line was said; what fits no column is cut or left out."""
    return (
        min(50, max(0, level)) // 10 * 10 if isinstance(level, int) else Log.Level.INFO.value,
        as_text(logger)[:200],
        as_text(module)[:200],
        as_text(function)[:200],
        line if isinstance(line, int) and 0 <= line < 2**31 else None,
        as_text(thread)[:100],
    )


_PLACE_KEYS = ("level", "logger", "module", "function", "line", "thread")


def place_in(text: bytes) -> tuple[Place, str] | None:
    """The place and the call chain that `Said.place` means; None when it says more than that."""
    try:
        fields = orjson.loads(b'{"level":' + text + b"}")
    except ValueError:
        return None
    if not fields.keys() <= {*_PLACE_KEYS, "chain"}:
        return None
    return as_place(*map(fields.get, _PLACE_KEYS)), as_text(fields.get("chain"))


def as_text(value: Any) -> str:
    """The value as text; nothing is no text."""
    if value.__class__ is str:
        return value
    return "" if value is None else str(value)
