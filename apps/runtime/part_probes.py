"""The parts that may leave a question unanswered: the broker, the cache with its signs of life, a database of rows."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connections

from apps.runtime import vital_signs
from apps.runtime.doorbells import open_connection
from apps.runtime.probing import PATIENCE_S, Answer, Probe

#: A page waits for all of them together for so long.
PAGE_PATIENCE_S = 1.0
_VERSION = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}


@dataclass(frozen=True, slots=True)
class Signs:
    """What the shared cache knows of processes that have no row."""

    clock_seen_at: datetime | None
    workers: dict[str, datetime]


class NotConfigured(Exception):
    """The settings name none."""


def _ask_broker() -> str:
    if not settings.CELERY_BROKER_URL:
        raise NotConfigured("No broker is configured (DC_BROKER_URL).")
    with closing(open_connection(PATIENCE_S)) as broker:
        broker.connect()
        return str(broker.transport.driver_type)


def _ask_cache() -> Signs:
    # `workers_seen` raises where `last_seen` does not: a cache that is away is not one that knows of nobody.
    workers = vital_signs.workers_seen()
    return Signs(vital_signs.last_seen("clock"), workers)


def _ask_data() -> str:
    return server_of("data")


def server_of(alias: str) -> str:
    """Which server answers there, with its version. Raises `DatabaseError`."""
    line = connections[alias]
    with line.cursor() as cursor:
        cursor.execute(_VERSION.get(line.vendor, "SELECT ''"))
        row = cursor.fetchone()
    version = str(row[0]).split()[0] if row and row[0] else ""
    return f"{line.display_name} {version}".strip()


PROBES: dict[str, Probe] = {
    "broker": Probe(_ask_broker),
    "cache": Probe(_ask_cache),
    "data": Probe(_ask_data),
}


def ask_all(*, patience_s: float = PAGE_PATIENCE_S) -> dict[str, Answer | None]:
    """What each says, all asked side by side; None for one that has not answered in time."""
    for probe in PROBES.values():
        probe.begin()
    until = time.monotonic() + patience_s
    return {name: probe.answer(until=until) for name, probe in PROBES.items()}


def forget() -> None:
    """Ask everything anew the next time."""
    for probe in PROBES.values():
        probe.forget()
