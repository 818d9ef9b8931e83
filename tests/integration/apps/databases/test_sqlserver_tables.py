"""What SQL Server would be told to make of our tables: compiled by its Django backend without a server, and parsed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
from django.apps import apps
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.utils import load_backend
from sqlglot import exp

from apps.databases.connectors import connector_of
from apps.databases.fence_table import CREATE, upsert
from apps.databases.loading import complete
from apps.databases.models import Connection
from apps.records.models import DataTable
from apps.records.router import RecordsRouter
from collectors.discovery import installed_rooms
from tests.integration.apps.records.tables import City, Price, Reading

ALIAS = "unreachable"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection of Django that knows what it would be connected to, and is never connected."""
    row = Connection(alias=ALIAS, engine="mssql", host="127.0.0.1", port=1, name="stock", user="dc")
    entry = complete(connector_of(row).django_settings())
    wrapper = load_backend(entry["ENGINE"]).DatabaseWrapper(entry, ALIAS)
    monkeypatch.setitem(wrapper._known_versions, ALIAS, 2022)
    monkeypatch.setitem(wrapper._known_azures, ALIAS, False)
    monkeypatch.setattr(connections, "settings", {**connections.settings, ALIAS: entry})
    connections[ALIAS] = wrapper
    yield wrapper
    del connections[ALIAS]


def parsed(statement: str) -> exp.Expr:
    [found] = sqlglot.parse(statement.strip().rstrip(";"), read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert found is not None
    return found


@pytest.mark.parametrize("model", [City, Reading, Price])
def test_a_table_with_history_is_made_with_its_hash_and_one_current_row_for_each_key(
    nowhere: Any, model: type[DataTable]
) -> None:
    with nowhere.schema_editor(collect_sql=True, atomic=False) as editor:
        editor.create_model(model)
    statements = {statement: parsed(statement) for statement in editor.collected_sql}
    [table] = [text for text in statements if text.startswith("CREATE TABLE")]
    assert "[id] bigint NOT NULL PRIMARY KEY IDENTITY (1, 1)" in table
    assert "[sha] nvarchar(64) NOT NULL" in table
    assert "[archived_at] datetimeoffset NULL" in table
    key = ", ".join(f"[{name}]" for name in model.natural_key)
    name = f"{model._meta.db_table}_current_key"
    assert (
        f"CREATE UNIQUE INDEX [{name}] ON [{model._meta.db_table}] ({key}) WHERE [archived_at] IS NULL;" in statements
    )
    assert nowhere.connection is None


@pytest.mark.parametrize("room", installed_rooms(), ids=lambda room: str(room.label))
def test_migrations_of_every_room_are_transact_sql(nowhere: Any, room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in room.get_models():
        monkeypatch.setattr(model, "connection_alias", ALIAS)
    monkeypatch.setattr(RecordsRouter, "allow_migrate", lambda *_, **__: True)
    loader: Any = MigrationLoader(None)
    loader.connection = nowhere
    plan = [loader.graph.nodes[node] for node in loader.graph.nodes if node[0] == room.label]
    for migration in plan:
        monkeypatch.setattr(migration, "atomic", False)  # a transaction would have to be begun
    statements = [text for text in loader.collect_sql([(each, False) for each in plan]) if not text.startswith("--")]
    tables = [text for text in statements if isinstance(parsed(text), exp.Create) and "CREATE TABLE" in text]
    assert len(tables) >= len([model for model in apps.get_app_config(room.label).get_models() if model._meta.managed])


def test_the_fence_is_transact_sql() -> None:
    assert isinstance(parsed(CREATE), exp.Create)
    assert isinstance(parsed(upsert("microsoft", 2).replace("%s", "@p1")), exp.Merge)
