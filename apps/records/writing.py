"""What differs is written: the old versions archived, the missing ones archived or deleted, the new ones inserted."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import models

from apps.records.backends.base import Backend
from apps.records.rows import RowReader, column_of, stored
from apps.records.sources import RowSource
from collectors.contract import MergeResult
from collectors.toolkit.errors import StorageError

#: Fields whose values every driver takes as they are, and those that the driver of PostgreSQL takes as well.
PLAIN = frozenset({
    models.CharField, models.TextField, models.BooleanField, models.FloatField, models.SmallIntegerField,
    models.IntegerField, models.BigIntegerField, models.PositiveSmallIntegerField, models.PositiveIntegerField,
    models.PositiveBigIntegerField,
})  # fmt: skip
PLAIN_ON = {
    "sqlite": PLAIN,
    "postgresql": PLAIN | {models.DecimalField, models.DateField, models.DateTimeField},
}

Prepare = Callable[[Any], Any]


def write(
    backend: Backend, reader: RowReader, source: RowSource, result: MergeResult, *, runtime_id: str, now: datetime
) -> None:
    """Bring the table to what was compared."""
    moment = stored(reader.model, "archived_at", now, backend.connection)
    if result.deleted:
        _expect(reader, "deleted", result.deleted, backend.execute(backend.sql.delete_missing()))
    if result.archived:
        # What was to be deleted is gone, so what is left in `diff` has a successor or is to be archived.
        changed = backend.execute(backend.sql.archive(), [moment, runtime_id, moment])
        _expect(reader, "archived", result.archived, changed)
    if result.inserted:
        ordinals = _ordinals(backend, result)
        own = {"sha": None, "archived_at": None, "archived_by": "", "created_at": moment, "modified_at": moment}
        columns = [column_of(field) for field in reader.fields]
        backend.insert([*columns, *own, "runtime"], _insertions(backend, reader, source, ordinals, moment, runtime_id))


def _ordinals(backend: Backend, result: MergeResult) -> Sequence[int]:
    """Which of the incoming rows are to be inserted, ascending."""
    if result.inserted == result.seen:
        return range(1, result.seen + 1)  # the first merge of a large table need not list them all
    return array("q", (row[0] for row in backend.rows(backend.sql.new_ordinals())))


def _insertions(
    backend: Backend, reader: RowReader, source: RowSource, ordinals: Sequence[int], moment: Any, runtime_id: str
) -> Iterator[tuple[Any, ...]]:
    prepare = [_preparer(field, backend, moment) for field in reader.fields]
    if not any(prepare):
        for sha, values in source.fetch(ordinals):
            yield (*values, sha, None, "", moment, moment, runtime_id)
        return
    for sha, values in source.fetch(ordinals):
        prepared = (p(value) if p else value for p, value in zip(prepare, values, strict=True))
        yield (*prepared, sha, None, "", moment, moment, runtime_id)


def _preparer(field: models.Field[Any, Any], backend: Backend, moment: Any) -> Prepare | None:
    """How a value is made ready for the database; None where nothing has to be done."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return lambda value: moment if value is None else field.get_db_prep_save(value, backend.connection)
    if type(field) in PLAIN_ON.get(backend.connection.vendor, ()):
        return None
    return lambda value: field.get_db_prep_save(value, backend.connection)


def _expect(reader: RowReader, what: str, wanted: int, found: int) -> None:
    if found != wanted:
        raise StorageError(
            f"{reader.model.__name__}: {found} rows instead of {wanted} were {what}; something else writes to the "
            "table without its lock. Nothing was written."
        )
