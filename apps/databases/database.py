"""`context.database(alias)`: the author's door to a connection. The contract is `collectors.contract.Database`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog
from django.db import connections, transaction

from apps.databases.deadlines import Deadlines
from apps.databases.explaining import explained
from apps.databases.fence_table import OWN_STATEMENTS
from apps.databases.places import place_of
from apps.databases.reading import Rows
from apps.databases.routines import Call, call_of
from collectors.contract import Called, MergeResult
from collectors.toolkit.database.rows import columns_of, maker
from collectors.toolkit.database.statements import Params, bound, checked

log = structlog.get_logger("databases")

#: How long a statement may take when its author says nothing.
TIMEOUT_S = 600.0
#: What is read of an answer by pieces, where the engine can; everything else comes at once.
_PIECEWISE = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})

Fence = Callable[[str, Sequence[str]], None]


class _DryRun(Exception):
    """Ends a session that is to leave nothing behind."""


class Databases:
    """`context.databases`: the doors of one run. `close` ends what its threads are still asking."""

    def __init__(
        self,
        *,
        merge: Callable[..., MergeResult],
        dry_run: bool = False,
        prepare: Callable[[str], None] | None = None,
        fence: Fence | None = None,
    ) -> None:
        """`merge` is that of the record store; `prepare` and `fence` are those of a merge (apps/records/merge.py)."""
        self.merge, self.dry_run, self.prepare, self.fence = merge, dry_run, prepare, fence
        self.deadlines = Deadlines()
        #: alias -> how many sessions of this thread are within each other
        self.depths = _Depths()

    def __call__(self, alias: str, *, timeout_s: float | None = None) -> Database:
        """See `collectors.contract.Context.database`."""
        return Database(self, place_of(alias), TIMEOUT_S if timeout_s is None else timeout_s)

    def close(self) -> None:
        """The run has ended: nothing is asked any more."""
        self.deadlines.close()


class _Depths(threading.local):
    def __init__(self) -> None:
        self.by_alias: dict[str, int] = {}


class Database:
    """One connection, for every thread that has the door: each speaks by a connection of its own."""

    def __init__(self, run: Databases, alias: str, timeout_s: float) -> None:
        self._run, self._alias, self._timeout_s = run, alias, timeout_s

    @property
    def alias(self) -> str:
        """The name of the connection."""
        return self._alias

    def query(self, sql: str, params: Params | None = None, *, into: Any = None) -> Iterator[Any]:
        """See `collectors.contract.Database`."""
        first = checked(sql, reading=not self._is_in_session)
        sql, values = self._bound(sql, params)
        self._renew()
        with explained(self._alias, sql):
            connection = connections[self._alias]
            cursor = connection.chunked_cursor() if first in _PIECEWISE else connection.cursor()
            try:
                with self._within(cursor):
                    cursor.execute(sql, values)
                make = maker(columns_of(cursor.description, sql), into, sql)
            except BaseException:
                cursor.close()
                raise
        return Rows(self._alias, cursor, make, self._within, at_once=connection.vendor == "microsoft")

    def execute(self, sql: str, params: Params | None = None) -> int:
        """See `collectors.contract.Database`."""
        checked(sql)
        sql, values = self._bound(sql, params)
        with self._own_session(), explained(self._alias, sql), connections[self._alias].cursor() as cursor:
            with self._within(cursor):
                cursor.execute(sql, values)
            return max(0, int(cursor.rowcount))

    @contextmanager
    def session(self) -> Iterator[Database]:
        """See `collectors.contract.Database`."""
        depths, alias = self._run.depths.by_alias, self._alias
        is_outermost = not depths.get(alias)
        if is_outermost:
            self._renew()
            if self._run.prepare is not None and not self._run.dry_run:
                self._run.prepare(alias)
        try:
            with explained(alias), transaction.atomic(using=alias):
                depths[alias] = depths.get(alias, 0) + 1
                try:
                    yield self
                finally:
                    depths[alias] -= 1
                if is_outermost:
                    self._prove()
        except _DryRun:
            log.info("session.rolled_back", connection=alias, reason="This is a dry run.")

    def call(self, routine: str, *args: Any) -> Called:
        """See `collectors.contract.Database`."""
        with self._own_session(), explained(self._alias, routine):
            connection = connections[self._alias]
            with connection.cursor() as cursor:
                found = call_of(connection.vendor, self._alias, routine, args, self._ask)
                with self._within(cursor):
                    cursor.execute(found.sql, list(found.params) or None)
                    return _called(cursor, found)

    def merge(self, model: type, rows: Any, **options: Any) -> MergeResult:
        """See `collectors.contract.Database`."""
        return self._run.merge(model, rows, using=self._alias, **options)

    @property
    def _is_in_session(self) -> bool:
        return bool(self._run.depths.by_alias.get(self._alias))

    def _own_session(self) -> Any:
        return nullcontext() if self._is_in_session else self.session()

    def _prove(self) -> None:
        """The last thing before COMMIT."""
        if self._run.dry_run:
            raise _DryRun
        if self._run.fence is not None:
            self._run.fence(self._alias, [OWN_STATEMENTS])

    def _bound(self, sql: str, params: Params | None) -> tuple[str, Params | None]:
        return bound(sql, params, positional=connections[self._alias].vendor == "microsoft")

    def _within(self, cursor: Any) -> Any:
        return self._run.deadlines.within(self._timeout_s, connections[self._alias], cursor)

    def _renew(self) -> None:
        """A connection that broke since is made again; in the middle of a transaction it cannot be."""
        connection = connections[self._alias]
        if connection.errors_occurred and not connection.in_atomic_block:
            # Django's own way closes whatever is older than CONN_MAX_AGE, with the answers that are being read.
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()

    def _ask(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        with connections[self._alias].cursor() as cursor:
            cursor.execute(sql, list(params))
            return list(cursor.fetchall())


def _called(cursor: Any, found: Call) -> Called:
    results = []
    while True:
        if cursor.description is not None:
            make = maker(columns_of(cursor.description, found.sql), None, found.sql)
            results.append([make(row) for row in cursor.fetchall()])
        # Only some drivers know of more than one result set.
        following = getattr(cursor, "nextset", None)
        if following is None or not following():
            break
    out = results[-1][0] if found.out_is_last and results and results[-1] else {}
    if found.out_is_last:
        results = results[:-1]
    return Called(results=tuple(results) if found.has_rows else (), out=out)
