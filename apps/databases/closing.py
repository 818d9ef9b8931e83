"""Connections of a run end with it, whichever thread made them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@contextmanager
def closed_at_the_end() -> Iterator[None]:
    """Connections that are made while the block runs are closed: those of a thread that is gone, when the next one is
    made, and all of them at the end. The platform's own, in this thread, stays: the end of the run is still to be told.
    """
    made: list[tuple[threading.Thread, BaseDatabaseWrapper]] = []
    lock, here = threading.Lock(), threading.current_thread()

    def note(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
        with lock:
            gone = [pair for pair in made if not pair[0].is_alive()]
            made[:] = [pair for pair in made if pair[0].is_alive() and pair[1] is not connection]
            made.append((threading.current_thread(), connection))
        for _, other in gone:
            _close(other)

    connection_created.connect(note)
    try:
        yield
    finally:
        connection_created.disconnect(note)
        for thread, connection in made:
            if thread is here:
                if connection.alias != "default" and not connection.in_atomic_block:
                    _close(connection)
            elif not thread.is_alive():
                _close(connection)


def _close(connection: BaseDatabaseWrapper) -> None:
    connection.inc_thread_sharing()
    try:
        with suppress(DatabaseError):
            connection.close()
    finally:
        connection.dec_thread_sharing()
