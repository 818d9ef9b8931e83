"""What tests of further connections share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


def _connect(self: BaseDatabaseWrapper) -> None:
    if self.connection is None:
        with self.wrap_database_errors:
            self.connect()


@pytest.fixture
def further_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections that a test makes may be used, and are gone after it. Django allows only those it knew before."""
    from apps.databases import loading

    before = connections.settings
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", _connect)
    yield
    for alias in set(connections.settings) - set(before):
        if hasattr(connections._connections, alias):  # type: ignore[attr-defined]
            connections[alias].close()
            del connections[alias]
    connections.settings = before
    loading._loaded.clear()


@pytest.fixture
def another_database(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The place of an empty database beside the platform's, on the same engine, as the fields of a `Connection`."""
    server = os.environ.get("DC_TEST_SERVER_URL")
    if server is None:
        yield {"engine": "sqlite", "name": str(tmp_path / "warehouse.sqlite3")}
        return
    name, url = f"warehouse_{os.getpid()}", urlsplit(server)
    with psycopg.connect(server, autocommit=True) as line:
        line.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "engine": "postgresql", "name": name, "host": unquote(url.hostname or ""), "port": url.port,
                "user": url.username or "", "password": unquote(url.password or ""),
            }  # fmt: skip
        finally:
            line.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def warehouse(another_database: dict[str, Any], db: None, further_connections: None) -> str:
    """The alias of a connection to that database, loaded."""
    from apps.databases.loading import use
    from apps.databases.models import Connection

    Connection.objects.create(alias="warehouse", **another_database)
    return use("warehouse")
