"""A database that takes a question and never answers: nobody whom others wait for waits for that.

A PostgreSQL that is frozen keeps its connections open, and TCP has nothing to complain about: only who asks can know
that it has waited long enough. The server is told the same limit, so that what it finds waiting when it goes on is not
done behind the back of somebody who has given up.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

#: For who must go on whatever the database does, and for who only does work in bulk.
PATIENCE_S, BULK_PATIENCE_S = 10.0, 60.0

_limits = threading.local()


def limit_silence(seconds: float = PATIENCE_S, *, idle_s: float | None = None) -> None:
    """From here on no call of this thread to a PostgreSQL takes longer: it raises `OperationalError` instead.

    The connection is given up then: close it, as after every error of a connection, and the next call makes a new one.
    And the server gives this thread up when it says nothing for `idle_s` (as long, if not given) within a transaction:
    others wait for its locks, and it may be suspended, or its machine may be gone.
    """
    _limits.seconds, _limits.idle_s = seconds, idle_s or seconds
    connection_created.connect(_bound, dispatch_uid="apps.core.silence")
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _bound(connection=connection)


def _bound(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    seconds: float | None = getattr(_limits, "seconds", None)
    if seconds is None or connection.vendor != "postgresql":
        return
    raw: psycopg.Connection[Any] = connection.connection

    def wait(gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        begun = time.monotonic()
        try:
            return type(raw).wait(raw, gen, interval, timeout or seconds)
        except psycopg.OperationalError as error:
            if time.monotonic() - begun < seconds:
                raise
            raw.close()
            raise psycopg.OperationalError(f"The database did not answer for {seconds:g} s.") from error

    raw.wait = wait  # type: ignore[method-assign]
    limits = {"statement_timeout": seconds, "idle_in_transaction_session_timeout": _limits.idle_s}
    for name, limit in limits.items():
        raw.execute("SELECT set_config(%s, %s, false)", [name, str(round(1000 * limit))])
