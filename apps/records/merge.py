"""The merge: a table brought to what was collected, in one transaction (docs/records.md).

Rows are checked, hashed and staged; then a lock, a comparison by set statements, and what differs is written. Equal
rows stay untouched. A changed row is the archived old version plus the inserted new one. Archiving comes before
inserting, because the unique index over current natural keys demands it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from django.db import DatabaseError, connections, transaction

from apps.records.backends import backend_class, is_worth_another_try
from apps.records.backends.base import Backend
from apps.records.comparison import Comparison, compare, compare_keys
from apps.records.models import DataTable
from apps.records.preview import Difference, differences
from apps.records.rows import Batch, BeginRows, OnBadRow, RowReader, Values, column_of
from apps.records.schema import SchemaMemory
from apps.records.sources import Keys, RowSource, opened, sampled
from apps.records.statements import Column, Layout
from apps.records.writing import write
from collectors.contract import MergeResult, Missing, Record

T = TypeVar("T")
ATTEMPTS = 4


class Watch(Protocol):
    """Looks at what comes in."""

    def through(self, batches: Iterable[Batch], key_places: Sequence[int]) -> Iterator[Batch]:
        """The batches of a pass over the rows, unchanged; there may be more than one pass."""
        ...

    def merged(self, held_keys: Sequence[tuple[Any, ...]]) -> None:
        """The last pass was merged; `held_keys` are those of rows that were put aside."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Who has a say in a merge."""

    on_bad_row: OnBadRow | None = None
    """Told of a row that does not fit; True puts it aside. May be told of a row twice, when a merge is tried again."""
    gate: Callable[[type[DataTable], MergeResult, int], None] | None = None
    """Given the model, the numbers and how many rows were current before, when all is written; raises to undo it.

    Who has a gate is asked about an empty result too, which is refused otherwise; and in a dry run, before it ends.
    """
    begin_rows: BeginRows | None = None
    """Asked when a pass over the rows begins; what it returns looks at every row that fits (`RowCheck`)."""
    sample: Callable[[Iterable[Values]], None] | None = None
    """Given some of the rows that came in."""
    prepare: Callable[[str], None] | None = None
    """Given a connection before a transaction begins on it: what the fence needs there is made."""
    fence: Callable[[str, Sequence[str]], None] | None = None
    """The last statement before COMMIT, given the connection and the tables; raises when the run owns them no more."""
    on_difference: Callable[[type[DataTable], Difference], None] | None = None
    """Told of the first rows that a dry run would change."""
    watch: Watch | None = None
    """Sees the keys of all rows that came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a merge is to do, apart from its rows."""

    model: type[DataTable]
    alias: str
    runtime_id: str
    now: datetime
    scope: Mapping[str, Any] = field(default_factory=dict)
    missing: Missing = "archive"
    is_dry_run: bool = False
    hooks: Hooks = field(default_factory=Hooks)
    schema: SchemaMemory = field(default_factory=SchemaMemory)
    tables: Sequence[str] = ()
    """The tables to lock, in the order of their names; the table of the model alone, if empty."""


def merge_rows(order: Order, rows: Iterable[Record]) -> MergeResult:
    """Merge `rows` into the table, and return the numbers. In a dry run only the numbers.

    Raises `BadRow` for a row that does not fit and `StorageError` for a merge that makes no sense; nothing is
    written then.
    """
    hooks = order.hooks
    reader = RowReader(order.model, order.scope, on_bad_row=hooks.on_bad_row, begin_rows=hooks.begin_rows)
    order.schema.note(order.model, order.alias)
    with opened(reader, rows) as source:
        result = retried(order.alias, lambda: _attempt(order, reader, source))
    if hooks.watch is not None:
        hooks.watch.merged(reader.held_keys)
    return result


def take_away(order: Order, keys: Iterable[Sequence[Any]]) -> MergeResult:
    """Archive (or delete) the current rows in the scope that have none of these natural keys; see `merge_rows`."""
    reader = RowReader(order.model, order.scope)
    order.schema.note(order.model, order.alias)
    source = Keys(reader, keys)
    return retried(order.alias, lambda: _attempt(order, reader, source))


def retried(alias: str, work: Callable[[], T]) -> T:
    """What `work` returns; tried again, from its beginning, after a deadlock or the like."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except DatabaseError as error:
            if not is_worth_another_try(connections[alias], error):
                raise
        # Whoever was in the way needs a moment; two that wait equally long would meet again.
        time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - no secret
    return work()


def _attempt(order: Order, reader: RowReader, source: RowSource) -> MergeResult:
    backend = _backend(order, reader)
    if backend.stages_in_transaction:
        with transaction.atomic(using=order.alias):
            result = _staged_and_merged(order, backend, reader, source)
            backend.drop()
            _fence(order)
        return result
    try:
        backend.create()
        seen = _staged(order, backend, reader, source)
        with transaction.atomic(using=order.alias):
            result = _merged(order, backend, reader, source, seen)
            _fence(order)
    finally:
        # Without a connection there are no temporary tables, and what was committed stays committed.
        with suppress(DatabaseError):
            backend.drop()
    return result


def _staged_and_merged(order: Order, backend: Backend, reader: RowReader, source: RowSource) -> MergeResult:
    backend.create()
    return _merged(order, backend, reader, source, _staged(order, backend, reader, source))


def _staged(order: Order, backend: Backend, reader: RowReader, source: RowSource) -> int:
    batches, watch = source.batches(), order.hooks.watch
    return backend.stage(batches if watch is None else watch.through(batches, reader.key_places), reader.key_places)


def _merged(order: Order, backend: Backend, reader: RowReader, source: RowSource, seen: int) -> MergeResult:
    if not order.is_dry_run:
        backend.lock(order.tables or [order.model._meta.db_table])
    order.schema.check(order.model, order.alias)
    backend.staged(seen)
    found = _compared(order, backend, reader, source, seen)
    if order.hooks.sample is not None:
        order.hooks.sample(sampled(source, seen, reader.aside))
    result = _result(found, reader, delete=order.missing == "delete")
    if order.is_dry_run:
        if order.hooks.on_difference is not None:
            for difference in differences(backend, order.model, reader, source):
                order.hooks.on_difference(order.model, difference)
    else:
        write(backend, reader, source, result, runtime_id=order.runtime_id, now=order.now)
    if order.hooks.gate is not None:
        order.hooks.gate(order.model, result, found.current)
    return result


def _compared(order: Order, backend: Backend, reader: RowReader, source: RowSource, seen: int) -> Comparison:
    may_be_empty = order.hooks.gate is not None
    if isinstance(source, Keys):
        return compare_keys(backend, order.model, reader.scope, seen=seen, may_be_empty=may_be_empty)
    return compare(
        backend,
        order.model,
        reader.scope,
        seen=seen,
        archive_missing=order.missing != "keep",
        may_be_empty=may_be_empty,
        held_keys=reader.held_keys,
    )


def _fence(order: Order) -> None:
    if order.hooks.fence is not None and not order.is_dry_run:
        order.hooks.fence(order.alias, [order.model._meta.db_table])


def _result(found: Comparison, reader: RowReader, *, delete: bool) -> MergeResult:
    return MergeResult(
        seen=found.seen + len(reader.aside),
        inserted=found.inserted,
        archived=found.changed if delete else found.gone,
        unchanged=found.unchanged,
        duplicates=found.seen - found.inserted - found.unchanged,
        changed=found.changed,
        deleted=found.gone - found.changed if delete else 0,
        quarantined=len(reader.aside),
    )


def _backend(order: Order, reader: RowReader) -> Backend:
    connection, meta = connections[order.alias], order.model._meta
    fields = {each.name: each for each in reader.fields}
    keys = [fields[name] for name in order.model.natural_key]
    layout = Layout(
        table=meta.db_table,
        pk=column_of(meta.pk),
        keys=[Column(column_of(key), key.null) for key in keys],
        scope=[column_of(fields[name]) for name in reader.scope],
    )
    return backend_class(connection.vendor)(connection, layout, keys)
