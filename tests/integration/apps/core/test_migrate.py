"""`manage.py migrate` on a database of collected rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_django
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from apps.registry.models import App
from collectors.sources.examples.shop.books.models import Book

ALIAS = "elsewhere"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A connection to an empty file, that rooms may have tables on as they may on `data`."""
    connections.settings[ALIAS] = {**connections.settings["default"], "NAME": str(tmp_path / "rows.sqlite3")} | {
        "ENGINE": "django.db.backends.sqlite3",
        "OPTIONS": {},
    }
    monkeypatch.setattr("apps.records.router.data_alias", lambda: ALIAS)
    yield ALIAS
    connections[ALIAS].close()
    del connections[ALIAS]
    del connections.settings[ALIAS]


def test_it_makes_the_tables_of_rooms_and_no_others(
    elsewhere: str, django_db_blocker: pytest_django.DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        call_command("migrate", database=elsewhere, verbosity=0)
        tables = set(connections[elsewhere].introspection.table_names())
        executor = MigrationExecutor(connections[elsewhere])
        left = executor.migration_plan(executor.loader.graph.leaf_nodes())
        with CaptureQueriesContext(connections[elsewhere]) as again:
            call_command("migrate", database=elsewhere, verbosity=0)

    assert Book._meta.db_table in tables
    assert App._meta.db_table not in tables
    # Django's own command would find nothing to do either.
    assert left == []
    assert not [query for query in again.captured_queries if query["sql"].startswith("INSERT")]
