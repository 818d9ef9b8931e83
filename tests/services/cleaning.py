"""Empties the databases after a test that committed, in milliseconds.

Django truncates every table and makes content types and permissions anew, which took longer than most of these tests.
Here Django cleans up after the first such test of a worker; what the databases hold then is what each later test finds.
Rows of other tables are deleted, and the few tables that are never empty are compared and put right.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from tests.services.audit_trail import allow_deletion, may_be_emptied

Rows = dict[str, list[tuple[Any, ...]]]

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
#: What the tables of a database hold after Django's own clean-up, by alias.
_clean: dict[str, Rows] = {}


def install() -> None:
    """Let every `transaction=True` test be cleaned up after this way."""
    TransactionTestCase._fixture_teardown = _clean_up  # type: ignore[attr-defined]


def _clean_up(test: Any) -> None:
    aliases = test._databases_names(include_mirrors=False)
    if test.available_apps is not None or test.serialized_rollback or not _clean.keys() >= set(aliases):
        with may_be_emptied(aliases):
            _flush(test)
        for alias in aliases:
            with connections[alias].cursor() as cursor:
                _clean[alias] = _rows(cursor, _filled(cursor, _tables(connections[alias])))
        return
    for alias in aliases:
        _restore(connections[alias], _clean[alias])


def _restore(connection: BaseDatabaseWrapper, clean: Rows) -> None:
    tables = _tables(connection)
    # Foreign keys are deferred, all of them: the order does not matter within a transaction.
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql" and tables:
            # Somebody may still be writing, as a thread that outlives its test for a moment: wait for the end of it.
            cursor.execute(f"LOCK TABLE {', '.join(map(_quoted, tables))} IN SHARE ROW EXCLUSIVE MODE")
        allow_deletion(cursor, tables)
        now = _rows(cursor, clean)
        changed = [table for table in clean if now[table] != clean[table]]
        for table in [table for table in _filled(cursor, tables) if table not in clean] + changed:
            cursor.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608 - names from our models
        for table in changed:
            marks = ", ".join(["%s"] * len(clean[table][0]))
            cursor.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", clean[table])  # noqa: S608 - names from our models


def _tables(connection: BaseDatabaseWrapper) -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))


def _filled(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    if not tables:
        return []
    asked = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {_quoted(table)})" for table in tables)  # noqa: S608 - names from our models
    cursor.execute(" UNION ALL ".join(asked))
    return [table for (table,) in cursor.fetchall()]


def _rows(cursor: CursorWrapper, tables: Any) -> Rows:
    found: Rows = {}
    for table in tables:
        cursor.execute(f"SELECT * FROM {_quoted(table)} ORDER BY 1")  # noqa: S608 - names from our models
        found[table] = cursor.fetchall()
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'
