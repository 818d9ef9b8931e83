"""The audit trail is append-only, for tests as well; to clean up after one, they do what retention does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

MARK, TRAIL = "accounts_auditsweep", "accounts_auditentry"
FAR = "9999-01-01 00:00:00"


def allow_deletion(cursor: Any, tables: Iterable[str]) -> None:
    """Let this transaction delete entries; the mark is cleaned up with the other tables."""
    if MARK in tables:
        cursor.execute(f"INSERT INTO {MARK} (before) VALUES (%s)", [FAR])  # noqa: S608 - a name of ours


@contextmanager
def may_be_emptied(aliases: Iterable[str]) -> Iterator[None]:
    """Let Django empty all tables, this one too."""
    for alias in aliases:
        with connections[alias].cursor() as cursor:
            tables = connections[alias].introspection.table_names(cursor)
            allow_deletion(cursor, tables)
            if TRAIL in tables:
                # Now: Django deletes in an order of its own, and the mark might go first.
                cursor.execute(f"DELETE FROM {TRAIL}")  # noqa: S608 - a name of ours
    yield
