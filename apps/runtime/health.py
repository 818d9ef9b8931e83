"""Whether the platform can do its work: its parts are asked, in bounded time, once for all who want to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from apps.core.clock import database_now, utc_now
from apps.core.silence import limit_silence
from apps.runtime.doorbells import open_connection
from apps.runtime.node_models import Node

#: What nobody answers within this is not there.
PATIENCE_S = 2.0
#: An answer serves everybody for so long: asking often costs nothing.
KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is."""

    name: str
    is_ok: bool
    said: str
    """A sentence for those who are signed in; it may name hosts."""
    took_ms: float


@dataclass(frozen=True, slots=True)
class Health:
    """How all parts were at one moment."""

    findings: tuple[Finding, ...]
    measured_at: datetime

    def is_ready(self, names: frozenset[str] = frozenset()) -> bool:
        """Whether these parts are well; all of them if none is named."""
        return all(finding.is_ok for finding in self.findings if not names or finding.name in names)


class NotWell(Exception):
    """What is wrong with a part."""


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return f"{connection.display_name} answers."


class _Migrations:
    """Once they are applied they stay applied: then nobody has to look again."""

    is_done = False

    def __call__(self) -> str:
        if not self.is_done:
            executor = MigrationExecutor(connection)
            missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if missing:
                raise NotWell(f"{len(missing)} migrations are missing; run manage.py migrate.")
            self.is_done = True
        return "All are applied."


def _broker() -> str:
    with closing(open_connection(PATIENCE_S)) as broker:
        broker.connect()
        return f"{broker.transport.driver_type} answers."


def _managers() -> str:
    count = Node.objects.filter(ended_at__isnull=True, lease_until__gt=database_now()).count()
    if not count:
        raise NotWell("No manager is alive, so no run begins; start one with manage.py manager.")
    return f"{count} {'is' if count == 1 else 'are'} alive."


PROBES: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _Migrations(),
    "broker": _broker,
    "managers": _managers,
}

_lock = threading.Lock()
_kept: list[tuple[float, Health]] = []


def check_health() -> Health:
    """How everything is, or was a moment ago. Nobody waits for longer than the probes' patience; nothing is raised."""
    with _lock:
        if _kept and time.monotonic() - _kept[0][0] < KEPT_S:
            return _kept[0][1]
        found: list[Finding] = []
        # In a thread of its own, with a connection of its own, so that a database that is frozen holds up nobody else.
        thread = threading.Thread(target=_probe_all, args=(found,), name="health", daemon=True)
        thread.start()
        thread.join(len(PROBES) * PATIENCE_S + 1)
        answered = {finding.name for finding in found}
        silent = [Finding(name, False, "It does not answer.", 0.0) for name in PROBES if name not in answered]  # noqa: FBT003
        health = Health((*found, *silent), utc_now())
        _kept[:] = [(time.monotonic(), health)]
        return health


def _probe_all(found: list[Finding]) -> None:
    limit_silence(PATIENCE_S)
    try:
        for name, probe in PROBES.items():
            found.append(_find(name, probe))
    finally:
        connections.close_all()


def _find(name: str, probe: Callable[[], str]) -> Finding:
    begun = time.perf_counter()
    try:
        is_ok, said = True, probe()
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the part is not well
        is_ok, said = False, " ".join(str(error).split())[:300] or type(error).__name__
    return Finding(name, is_ok, said, round(1000 * (time.perf_counter() - begun), 1))
