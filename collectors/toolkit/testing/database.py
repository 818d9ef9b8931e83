"""A database in memory: SQLite behind the door that a source knows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from collectors.contract import Called, MergeResult, Record
from collectors.toolkit.database import (
    BadStatement,
    ConstraintViolated,
    DatabaseError,
    ReadOnlyDatabase,
    UnknownDatabase,
)
from collectors.toolkit.database.rows import columns_of, maker
from collectors.toolkit.database.statements import Params, bound, checked, shown
from collectors.toolkit.testing.memory import MemoryRecords

Routine = Callable[..., Any]


class MemoryDatabase:
    """A SQLite of its own, without Django, for any number of threads.

        warehouse = MemoryDatabase("CREATE TABLE stock (isbn TEXT PRIMARY KEY, count INTEGER)")
        context = make_context(databases={"warehouse": warehouse})

    `script` makes its tables. `routines` are what `call` finds: a function that returns a value, a list of dicts, or a
    `Called`. `calls` says afterwards what was called. Rows that are merged are found in `context.records`.
    """

    def __init__(
        self, script: str = "", *, routines: Mapping[str, Routine] | None = None, read_only: bool = False
    ) -> None:
        self.alias = "memory"
        self.dry_run = False
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.records: MemoryRecords | None = None
        self._routines, self._read_only = dict(routines or {}), read_only
        self._line = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._line.executescript(script)
        self._lock, self._depth = threading.RLock(), 0

    def query(self, sql: str, params: Params | None = None, *, into: Any = None) -> Iterator[Any]:
        """See `collectors.contract.Database`."""
        checked(sql, reading=not self._depth)
        with self._lock:
            cursor = self._send(sql, params)
            make = maker(columns_of(cursor.description, sql), into, sql)
            return iter([make(row) for row in cursor.fetchall()])

    def execute(self, sql: str, params: Params | None = None) -> int:
        """See `collectors.contract.Database`."""
        checked(sql)
        with self._savepoint():
            return max(0, self._send(sql, params).rowcount)

    @contextmanager
    def session(self) -> Iterator[MemoryDatabase]:
        """See `collectors.contract.Database`; another thread waits until it is over."""
        with self._lock, self.records.transaction() if self.records else nullcontext(), self._savepoint():
            yield self

    def merge(self, model: type, rows: Iterable[Record], **options: Any) -> MergeResult:
        """See `collectors.contract.Database`."""
        if self.records is None:
            raise DatabaseError("This database is not part of a context: hand it to make_context(databases=...).")
        return self.records.merge(model, rows, **options)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        with self._lock:
            name = f"session_{self._depth}"
            self._line.execute(f"SAVEPOINT {name}")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._line.execute(f"ROLLBACK TO {name}")
                raise
            else:
                if self.dry_run and self._depth == 1:
                    self._line.execute(f"ROLLBACK TO {name}")
            finally:
                self._depth -= 1
                self._line.execute(f"RELEASE {name}")

    def call(self, routine: str, *args: Any) -> Called:
        """See `collectors.contract.Database`."""
        if routine not in self._routines:
            known = ", ".join(sorted(self._routines)) or "none"
            raise BadStatement(f'The database "{self.alias}" has no routine "{routine}"; the test gives it: {known}.')
        self.calls.append((routine, args))
        answer = self._routines[routine](*args)
        if isinstance(answer, Called):
            return answer
        return Called(results=(answer if isinstance(answer, list) else [{"value": answer}],))

    def _send(self, sql: str, params: Params | None) -> sqlite3.Cursor:
        sql, values = bound(sql, params, positional=True)
        if values is not None:
            sql = sql % (("?",) * len(values))
        try:
            self._line.execute(f"PRAGMA query_only = {int(self._read_only)}")
            return self._line.execute(sql, [_plain(value) for value in values or ()])
        except sqlite3.Error as error:
            raise _told(self.alias, error, sql) from None


class MemoryDatabases:
    """The doors of a context, by alias."""

    def __init__(self, databases: Mapping[str, MemoryDatabase], *, dry_run: bool, records: MemoryRecords) -> None:
        self._databases = dict(databases)
        for alias, database in self._databases.items():
            database.alias, database.dry_run, database.records = alias, dry_run, records

    def __call__(self, alias: str, *, timeout_s: float | None = None) -> MemoryDatabase:
        """See `collectors.contract.Context.database`."""
        if alias not in self._databases:
            known = ", ".join(self._databases)
            there_are = f"There are: {known}." if known else "There are no others."
            raise UnknownDatabase(f'Connection "{alias}" does not exist. {there_are}')
        return self._databases[alias]


def _plain(value: Any) -> Any:
    """As Django writes it into a SQLite."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat(" ") if isinstance(value, datetime) else str(value) if isinstance(value, date) else value


def _told(alias: str, error: sqlite3.Error, sql: str) -> DatabaseError:
    if isinstance(error, sqlite3.IntegrityError):
        return ConstraintViolated(f'The database "{alias}": {error} ({shown(sql)}).')
    if "readonly" in str(error):
        return ReadOnlyDatabase(f'Connection "{alias}" is read only.')
    return BadStatement(f'The database "{alias}": {error} ({shown(sql)}).')
