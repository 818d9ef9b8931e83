"""Re-encrypting what is in tables with the first key of the ring, and looking whether everything opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.core.encryption.fields import Sealed
from apps.core.encryption.keys import PREFIX, EncryptionError
from apps.core.encryption.ring import current_ring
from apps.credentials.selectors import EncryptedColumn, encrypted_columns, keys_in_use

BATCH = 200


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One value that does not open."""

    column: EncryptedColumn
    pk: object
    reason: str

    def __str__(self) -> str:
        return f"{self.column}, row {self.pk}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did."""

    count: int
    unreadable: list[Unreadable]


def rotate() -> Rotated:
    """Re-encrypt whatever is not under the first key. Raises `NoKeys` and `BadKeys`.

    Each batch is a transaction, and what is done is not looked at again: it can be killed and called again.
    """
    count, unreadable = 0, []
    for column in tables():
        last: Any = None
        while rows := list(_behind(column, last)[:BATCH]):
            with transaction.atomic(using=column.alias):
                for row in rows:
                    try:
                        count += _reencrypt(column, row)
                    except EncryptionError as error:
                        unreadable.append(Unreadable(column, row.pk, str(error)))
            last = rows[-1].pk
    return Rotated(count, unreadable)


def _behind(column: EncryptedColumn, last: Any) -> QuerySet[Any]:
    """The rows under another key than the first, after the row `last`."""
    rows = column.rows().exclude(stored__startswith=f"{PREFIX}{current_ring().first.id}:").order_by("pk")
    return rows if last is None else rows.filter(pk__gt=last)


def _reencrypt(column: EncryptedColumn, row: Any) -> int:
    """How many values were written: none where somebody else wrote the row meanwhile."""
    before = Sealed(row.stored)
    after = column.field.seal(row, column.field.open(row, before))
    ours = column.model._base_manager.using(column.alias).filter(pk=row.pk, **{column.field.name: before})
    return ours.update(**{column.field.name: after})


def tables() -> Iterator[EncryptedColumn]:
    """The encrypted columns whose tables are there."""
    return (column for column in encrypted_columns() if column.exists())


def usage() -> dict[str, Counter[str]]:
    """Column -> key id -> number of values."""
    return {str(column): keys_in_use(column) for column in tables()}


def unreadable() -> Iterator[Unreadable]:
    """Every value that does not open, and why."""
    for column in tables():
        for row in column.rows().order_by("pk").iterator(chunk_size=BATCH):
            try:
                column.field.open(row, Sealed(row.stored))
            except EncryptionError as error:
                yield Unreadable(column, row.pk, str(error))
