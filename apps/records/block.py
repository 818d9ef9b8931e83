"""`records.transaction()` while it is open, and errors of databases in words of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, transaction

from apps.records.models import DataTable
from collectors.toolkit.errors import StorageError


@dataclass(slots=True)
class Block:
    """A `transaction()` that is open: the connections it spans and what was merged in it."""

    stack: ExitStack
    tables: dict[str, set[str]] = field(default_factory=dict)
    """What was merged into, by connection."""
    snapshots: list[tuple[type[DataTable], Mapping[str, Any]]] = field(default_factory=list)

    def span(self, alias: str) -> None:
        """Have the block cover this connection too."""
        if alias not in self.tables:
            self.stack.enter_context(explained(alias))
            self.stack.enter_context(transaction.atomic(using=alias))
            self.tables[alias] = set()

    def add_snapshot(self, model: type[DataTable], scope: Mapping[str, Any]) -> None:
        """Raise `StorageError` when a snapshot of these rows was merged already: its rows would be archived."""
        for other, others in self.snapshots:
            if other is model and all(others.get(name, value) == value for name, value in scope.items()):
                raise StorageError(
                    f"{model.__name__} was merged before in this transaction, with rows of the same scope: the second "
                    'merge would archive what the first one brought. Give all rows to one merge, or say missing="keep".'
                )
        self.snapshots.append((model, dict(scope)))


@contextmanager
def explained(alias: str) -> Iterator[None]:
    """A database's error as one sentence of ours."""
    try:
        yield
    except DatabaseError as error:
        first_line = str(error).strip().partition("\n")[0]
        raise StorageError(f'The database "{alias}" refused: {first_line}.') from error
