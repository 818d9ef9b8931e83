"""What tests of further connections share."""

from __future__ import annotations

from collections.abc import Iterator

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
