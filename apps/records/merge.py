"""The merge: a table brought to what was collected, in one transaction.

Equal rows stay untouched. A changed row is the archived old version plus the inserted new one. Archiving comes before
inserting, because the unique index over current natural keys demands it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connections, transaction

from apps.records.models import DataTable
from apps.records.rows import RowReader, Values
from collectors.contract import MergeResult, Record
from collectors.toolkit.errors import BadRow, StorageError
from collectors.toolkit.merge import ConflictingRows, MergePlan, Stored, plan_merge

T = TypeVar("T")
BATCH = 1000


def merge_rows(
    model: type[DataTable],
    rows: Iterable[Record],
    *,
    alias: str,
    runtime_id: str,
    scope: Mapping[str, Any],
    archive_missing: bool,
    write: bool,
    now: datetime,
) -> MergeResult:
    """Merge `rows` into the table of `model`, and return the numbers. With `write=False` only the numbers.

    Raises `BadRow` for a row that does not fit and `StorageError` for a merge that makes no sense; nothing is
    written then.
    """
    # Reading and hashing come before the transaction: the lock is held for the table's sake alone.
    incoming = list(RowReader(model, _checked_scope(model, scope)).read(rows))
    with transaction.atomic(using=alias):
        _lock(model, alias)
        stored = _current_rows(model, alias, scope)
        try:
            plan = plan_merge(incoming, stored, archive_missing=archive_missing)
        except ConflictingRows as conflict:
            keys = ", ".join(_shown(model, key) for key in conflict.keys[:5])
            raise BadRow(f"{model.__name__}: different rows have the same key: {keys}.") from None
        if archive_missing and stored and not plan.seen:
            raise StorageError(
                f"{model.__name__}: the run brought no rows while {len(stored)} are current; nothing was archived."
            )
        if write:
            _apply(model, plan, alias=alias, runtime_id=runtime_id, now=now)
    return plan.result


def _checked_scope(model: type[DataTable], scope: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in scope:
        if name not in model.scope_fields:
            raise StorageError(f'{model.__name__} cannot be merged by "{name}": it is not among its scope_fields.')
    return scope


def _lock(model: type[DataTable], alias: str) -> None:
    """One merge per table at a time. SQLite needs nothing: an IMMEDIATE transaction is alone already."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def _current_rows(model: type[DataTable], alias: str, scope: Mapping[str, Any]) -> dict[tuple[Any, ...], Stored]:
    current = model.objects.using(alias).current().filter(**scope)
    rows = current.order_by().values_list("pk", "sha", *model.natural_key)
    return {key: Stored(pk, sha) for pk, sha, *rest in rows.iterator(chunk_size=BATCH) for key in (tuple(rest),)}


def _apply(model: type[DataTable], plan: MergePlan[Values], *, alias: str, runtime_id: str, now: datetime) -> None:
    table = model.objects.using(alias)
    for keys in _batches(plan.archive):
        table.filter(pk__in=keys).update(archived_at=now, archived_by=runtime_id, modified_at=now)
    for rows in _batches(plan.insert):
        table.bulk_create([model(**values, sha=sha, runtime=runtime_id) for values, sha in rows])


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _shown(model: type[DataTable], key: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(model.natural_key, key, strict=True))
