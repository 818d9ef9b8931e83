"""What a run says by itself of its requests and its tables: the frames `http`, `object` and `touched`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from apps.databases.closing import closed_at_the_end
from apps.databases.touching import Touched, Touching, note
from apps.records.models import DataTable
from collectors.contract import MergeResult
from collectors.toolkit.http import ClientPool, Request, Session
from collectors.toolkit.journal import Journal
from collectors.toolkit.journal.service import service

EVERY_S = 2.0


def tell_merge(model: type[DataTable], result: MergeResult, *, alias: str, dry_run: bool) -> None:
    """A merge was committed; in a dry run, it was worked out."""
    if result.inserted and not dry_run:
        # Rows come by COPY on PostgreSQL, which no statement shows.
        note(alias, model._meta.db_table, "insert")
    if service.journal is not None:
        about = {
            "model": model._meta.label_lower,
            "table": model._meta.db_table,
            "action": "compare" if dry_run else "merge",
        }
        service.journal.write("object", {**about, **asdict(result)})


def tell_quality(kind: str, about: dict[str, Any]) -> bool:
    """What the rules found; False when it could not be written down."""
    return service.journal is not None and service.journal.write(kind, about)


@contextmanager
def watching_objects(journal: Journal) -> Iterator[None]:
    """While this is open, the statements that are sent are told, without their values; then connections are closed."""

    def tell(touched: Touched) -> None:
        journal.write("touched", asdict(touched))

    with closed_at_the_end(), Touching(tell).watching():
        yield


class TellingPool(ClientPool):
    """Clients whose requests are told: while there are new ones every two seconds, and when the pool is closed.

    Each frame holds the sums since the beginning of the run, so that the newest one says it all.
    """

    def __init__(self, session: Session, *, every_s: float = EVERY_S) -> None:
        super().__init__(lambda: Request(session=session))
        self._metrics = session.metrics
        self._every_s = every_s
        self._told = 0
        self._end = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def current(self) -> Request:
        """See `ClientPool`; the first one begins the telling."""
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._tell_now_and_then, name="requests", daemon=True)
                    self._thread.start()
        return super().current()

    def close(self) -> None:
        """Close every client, and tell what was not told yet."""
        super().close()
        self._end.set()
        if self._thread is not None:
            self._thread.join(self._every_s)
        self._tell()

    def _tell_now_and_then(self) -> None:
        while not self._end.wait(self._every_s):
            self._tell()

    def _tell(self) -> None:
        count = self._metrics.count
        if (
            count != self._told
            and service.journal is not None
            and service.journal.write("http", self._metrics.summary())
        ):
            self._told = count
