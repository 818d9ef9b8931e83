"""Rows of an answer, read as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from apps.databases.explaining import explained

PIECE = 2_000


class Rows(Iterator[Any]):
    """What `Database.query` returns. A short answer is read when it is there; a long one holds its cursor meanwhile."""

    def __init__(
        self,
        alias: str,
        cursor: Any,
        make: Callable[[Sequence[Any]], Any],
        within: Callable[[Any], AbstractContextManager[None]],
        *,
        at_once: bool = False,
    ) -> None:
        """`at_once`: the connection can do nothing else while an answer is being read."""
        self._at_once = at_once
        self._alias, self._cursor, self._make, self._within = alias, cursor, make, within
        self._piece: Iterator[Any] = iter(())
        self._has_more = True
        self._read()

    def __next__(self) -> Any:
        for row in self._piece:
            return self._make(row)
        if not self._has_more:
            raise StopIteration
        self._read()
        return next(self)

    def close(self) -> None:
        """Leave the rest unread."""
        self._has_more, self._piece = False, iter(())
        self._cursor.close()

    def __del__(self) -> None:
        # The connection may be gone by now.
        with suppress(Exception):
            if self._has_more:
                self.close()

    def _read(self) -> None:
        with explained(self._alias):
            with self._within(self._cursor):
                rows = self._cursor.fetchall() if self._at_once else self._cursor.fetchmany(PIECE)
            if self._at_once or len(rows) < PIECE:
                self._has_more = False
                self._cursor.close()
        self._piece = iter(rows)
