"""Which statements a run sends, on every connection: in the collector, which says them by its journal.

While statements run they are only kept, once each: a statement costs a look into a dictionary. What they name is read
where the journal is shipped (objects.py), because there the statements of all runs pass and each is parsed once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.databases.catalogue import Catalogue
from apps.databases.shapes import shape_of, temporary_table

EVERY_S = 10.0
#: So many different statements are kept before they are told, at the most.
MOST_KEPT = 500
#: A run of more different shapes than this is known well enough, and whoever ships must not parse for minutes.
MOST_SHAPES = 500


@dataclass(slots=True)
class Touched:
    """What was sent on one connection since the last time."""

    connection: str
    vendor: str
    shapes: list[str] = field(default_factory=list)
    """Statements without their values."""
    views: list[str] = field(default_factory=list)
    """Names in them that are views; and those that are routines of somebody's own."""
    routines: list[str] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)
    """Table and operation, for what no statement shows."""


class Touching:
    """Watches the connections of this process. `tell` is called with news now and then, and at the end."""

    def __init__(self, tell: Callable[[Touched], None]) -> None:
        self._tell = tell
        # The catalogue is asked while it is held, and those statements are seen too.
        self._lock = threading.RLock()
        self._kept: dict[tuple[str, str, str], None] = {}
        self._noted: dict[tuple[str, str, str, str], None] = {}
        self._told: set[tuple[str, str]] = set()
        self._temporary: dict[str, list[str]] = {}
        self._catalogues: dict[str, Catalogue] = {}
        self._next_at = time.monotonic() + EVERY_S

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        global _current  # noqa: PLW0603 - a process has one run
        _current = self
        connection_created.connect(self._watch)
        for connection in connections.all(initialized_only=True):
            self._watch(connection=connection)
        try:
            yield
        finally:
            _current = None
            connection_created.disconnect(self._watch)
            for connection in connections.all(initialized_only=True):
                if self._wrap in connection.execute_wrappers:
                    connection.execute_wrappers.remove(self._wrap)
            self.tell()

    def note(self, alias: str, vendor: str, name: str, operation: str) -> None:
        """Something that was done to a table, and not by a statement."""
        with self._lock:
            self._noted[alias, vendor, name, operation] = None

    def tell(self) -> None:
        """Say what is new since the last time."""
        with self._lock:
            self._next_at = time.monotonic() + EVERY_S
            kept, self._kept = self._kept, {}
            noted, self._noted = self._noted, {}
            news: dict[str, Touched] = {}
            for alias, vendor, sql in kept:
                shape = shape_of(sql)
                if (alias, shape) not in self._told and len(self._told) < MOST_SHAPES:
                    self._told.add((alias, shape))
                    news.setdefault(alias, Touched(alias, vendor)).shapes.append(shape)
            for alias, vendor, name, operation in noted:
                if (alias, f"{operation} {name}") not in self._told:
                    self._told.add((alias, f"{operation} {name}"))
                    news.setdefault(alias, Touched(alias, vendor)).noted.append((name, operation))
            for touched in news.values():
                self._tell(self._completed(touched))

    def _completed(self, touched: Touched) -> Touched:
        temporary = self._temporary.setdefault(touched.connection, [])
        known, new = list(temporary), [shape for shape in touched.shapes if temporary_table(shape)]
        temporary += new
        # Tables that only this run sees have to be known wherever they are named.
        touched.shapes = [*known, *touched.shapes]
        text = " ".join(touched.shapes).lower()
        catalogue = self._catalogue(touched.connection)
        touched.views = sorted(name for name in catalogue.views if name in text)
        touched.routines = sorted(name for name in catalogue.routines if name in text)
        return touched

    def _catalogue(self, alias: str) -> Catalogue:
        if alias not in self._catalogues:
            # Of this thread; asking Django for one that is not there would make it.
            connection = getattr(connections._connections, alias, None)  # type: ignore[attr-defined]
            if connection is None or connection.connection is None or connection.in_atomic_block:
                # Nobody's transaction is asked questions of ours.
                return Catalogue()
            self._catalogues[alias] = Catalogue.read(connection)
        return self._catalogues[alias]

    def _watch(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        if self._wrap not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._wrap)

    def _wrap(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,  # noqa: FBT001 - Django's signature
        context: dict[str, Any],
    ) -> Any:
        result = execute(sql, params, many, context)
        connection = context["connection"]
        self._kept[connection.alias, connection.vendor, sql if isinstance(sql, str) else str(sql)] = None
        if len(self._kept) >= MOST_KEPT or time.monotonic() >= self._next_at:
            self.tell()
        return result


_current: Touching | None = None


def note(alias: str, name: str, operation: str) -> None:
    """Tell the run of this process, if there is one, of what was done to a table without a statement, as by COPY."""
    if _current is not None:
        _current.note(alias, connections[alias].vendor, name, operation)
