"""No statement of a merge looks through a temporary table once for every row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections

from apps.records.backends.sqlite import SQLiteBackend, SQLiteStatements
from apps.records.statements import Column, Layout
from tests.integration.apps.records.tables import ALIAS, City, made

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.skipif("connections[ALIAS].vendor != 'sqlite'", reason="the others hash their joins"),
]


@pytest.fixture
def sql() -> Iterator[SQLiteStatements]:
    keys = [field for field in City._meta.concrete_fields if field.name in City.natural_key]
    layout = Layout(table=City._meta.db_table, pk="id", keys=[Column(name) for name in City.natural_key])
    with made(City):
        backend = SQLiteBackend(connections[ALIAS], layout, keys)
        backend.create()
        assert isinstance(backend.sql, SQLiteStatements)
        yield backend.sql
        backend.drop()


@pytest.mark.parametrize("name", ["compare_all", "compare_incoming", "obstacles", "count_changed", "delete_missing"])
def test_sqlite_looks_up_what_it_compares_with(sql: SQLiteStatements, name: str) -> None:
    made_of = getattr(sql, name)
    statements = made_of(5) if name == "obstacles" else made_of()
    for statement in [statements] if isinstance(statements, str) else statements:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = [(parent, step) for _, parent, _, step in cursor.fetchall()]

        outermost = min(parent for parent, _ in plan)
        within = [step for parent, step in plan if parent > outermost]
        assert within, plan
        assert [step for step in within if step.startswith("SCAN") and "dc_" in step and "LIST" not in step] == [], plan
