"""Emptying the databases between tests that commit.

Django's `flush` also forgets which models and permissions there are, and finds them all again: on our two databases
that takes longer than many of the tests. They follow from the code alone, so they stay.
"""

from __future__ import annotations

from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase

KEPT = {"auth_permission", "django_content_type"}


def install() -> None:
    """Have every test that commits end with this."""
    TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[attr-defined]


def empty_tables(test: TransactionTestCase) -> None:
    """Delete the rows of the test's databases, as `flush` does, apart from those that are kept."""
    for alias in test._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        connection = connections[alias]
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        emptied = [table for table in tables if table not in KEPT]
        statements = connection.ops.sql_flush(no_style(), emptied, reset_sequences=False, allow_cascade=False)
        connection.ops.execute_sql_flush(statements)
