"""Statements that take too long are ended, in whatever thread they run."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from collectors.toolkit.database import DatabaseError, StatementTimeout

#: A server that does not answer a cancellation is given up after this.
CANCEL_TIMEOUT_S = 5.0


class Deadlines:
    """One thread that looks after the statements of all others; it begins with the first statement."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._running: dict[int, tuple[float, BaseDatabaseWrapper, Any]] = {}
        self._wakes_at: float | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def within(self, seconds: float, connection: BaseDatabaseWrapper, cursor: Any) -> Iterator[None]:
        """What runs in the block is ended after so many seconds. Raises `StatementTimeout` then."""
        number = self._begin(time.monotonic() + seconds, connection, cursor)
        try:
            yield
        except Exception:
            if self._has_passed(number):
                raise StatementTimeout(
                    f'The database "{connection.alias}": a statement took longer than {seconds:g} s and was ended.'
                ) from None
            raise
        finally:
            with self._changed:
                self._running.pop(number, None)

    def close(self) -> None:
        """End what still runs, and whatever begins later."""
        with self._changed:
            self._is_closed = True
            for _, connection, cursor in self._running.values():
                _cancel(connection, cursor)
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CANCEL_TIMEOUT_S)

    def _begin(self, until: float, connection: BaseDatabaseWrapper, cursor: Any) -> int:
        with self._changed:
            if self._is_closed:
                raise DatabaseError(f'The database "{connection.alias}" is not asked any more: the run has ended.')
            number = next(self._numbers)
            self._running[number] = (until, connection, cursor)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="statements", daemon=True)
                self._thread.start()
            elif self._wakes_at is None or until < self._wakes_at:
                self._changed.notify()
            return number

    def _has_passed(self, number: int) -> bool:
        with self._changed:
            return number not in self._running

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                late = [number for number, (until, *_) in self._running.items() if until <= now]
                for number in late:
                    # Held all the while: whose statement is ended at this moment must not begin another one.
                    _, connection, cursor = self._running.pop(number)
                    _cancel(connection, cursor)
                self._wakes_at = min((until for until, *_ in self._running.values()), default=None)
                self._changed.wait(None if self._wakes_at is None else max(0.0, self._wakes_at - time.monotonic()))


def _cancel(connection: BaseDatabaseWrapper, cursor: Any) -> None:
    """Ask the database to end what this connection is doing; it may be done already."""
    line: Any = connection.connection
    with suppress(Exception):
        match connection.vendor:
            case "postgresql":
                line.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            case "sqlite":
                line.interrupt()
            case _:
                # A cursor of the driver within one of its backend within one of Django.
                getattr(cursor.cursor, "cursor", cursor.cursor).cancel()
