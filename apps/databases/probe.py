"""Trying a connection out. Whatever happens becomes one sentence; it takes seconds when nobody answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, connections, transaction
from django.db.models import Q
from django.db.utils import load_backend

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.core.clock import utc_now
from apps.core.encryption.keys import EncryptionError
from apps.databases.connectors import Found, connector_of
from apps.databases.loading import complete
from apps.databases.models import Connection

log = structlog.get_logger("databases")


@dataclass(frozen=True, slots=True)
class Probed:
    """How a test went."""

    outcome: Connection.Outcome
    said: str


def probe(row: Connection) -> Probed:
    """Connect, look, disconnect; by a connection of its own, whatever Django holds open."""
    try:
        connector = connector_of(row)
        entry = complete(connector.django_settings())
    except (ValueError, EncryptionError) as error:
        return Probed(Connection.Outcome.FAILED, str(error))
    try:
        found = _look(connector, entry)
    except Exception as error:  # noqa: BLE001 - each driver raises what it likes, a missing one ImportError
        return Probed(Connection.Outcome.FAILED, connector.explain(error))
    outcome = Connection.Outcome.WORKS if found.can_write else Connection.Outcome.LIMITED
    return Probed(outcome, found.sentence)


def _look(connector: Any, entry: dict[str, Any]) -> Found:
    wrapper: Any = load_backend(entry["ENGINE"]).DatabaseWrapper(entry, "probed")
    try:
        with wrapper.cursor() as cursor:
            found: Found = connector.found(cursor)
            return found
    finally:
        wrapper.close()


@transaction.atomic
def request_test(row: Connection, *, actor: User | None, source: str, now: datetime) -> None:
    """Ask a manager to test it; the answer appears in the row."""
    Connection.objects.filter(pk=row.pk).update(test_requested_at=now)
    record("connection.test_asked", row.alias, source=source, actor=actor, now=now, obj=row)


def is_waiting() -> Q:
    """The rows whose test was asked for and not begun."""
    return Q(test_requested_at__isnull=False)


def probe_requested() -> list[threading.Thread]:
    """Begin what was asked for, each test in a thread of its own: the caller has other things to do meanwhile.

    Any number of managers may call it at once: each test is done by one of them.
    """
    threads = []
    for row in Connection.objects.filter(is_waiting()):
        if Connection.objects.filter(is_waiting(), pk=row.pk).update(test_requested_at=None):
            threads.append(threading.Thread(target=_test, args=(row,), name=f"test of {row.alias}", daemon=True))
            threads[-1].start()
    return threads


def probe_now(row: Connection) -> Probed:
    """Test a connection and note the result."""
    probed = probe(row)
    # `modified_at` stays: a test changes nothing about how to connect.
    Connection.objects.filter(pk=row.pk).update(
        tested_at=utc_now(), test_outcome=probed.outcome, test_said=probed.said[:1000]
    )
    return probed


def _test(row: Connection) -> None:
    try:
        probe_now(row)
    except DatabaseError as error:
        log.warning("connection.not_tested", alias=row.alias, reason=str(error).strip().partition("\n")[0])
    finally:
        connections.close_all()
