"""What a dry run would change, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.records.backends.base import Backend
from apps.records.models import DataTable
from apps.records.rows import RowReader
from apps.records.sources import RowSource
from collectors.toolkit.merge import changed_fields

#: So many rows of a merge are told.
MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row that a merge would write or archive."""

    kind: Literal["new", "changed", "missing"]
    key: dict[str, Any]
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Of a changed row: field -> (before, after)."""


def differences(
    backend: Backend, model: type[DataTable], reader: RowReader, source: RowSource, *, most: int = MOST
) -> Iterator[Difference]:
    """The first rows that differ, the new and changed ones first; to be called between comparing and writing."""
    incoming = backend.rows(backend.sql.new_and_changed(most))
    replaced = dict(incoming)
    old_rows = _rows(model, backend, [pk for pk in replaced.values() if pk is not None])
    names = [each.name for each in reader.fields]
    for ordinal, (_, values) in zip(replaced, source.fetch(list(replaced)), strict=True):
        row = dict(zip(names, values, strict=True))
        key = {name: row[name] for name in model.natural_key}
        old = old_rows.get(replaced[ordinal])
        if old is None:
            yield Difference(kind="new", key=key)
        else:
            before = {each.name: getattr(old, each.attname) for each in reader.fields}
            yield Difference(kind="changed", key=key, fields=changed_fields(before, row))
    missing = [pk for (pk,) in backend.rows(backend.sql.missing(max(most - len(replaced), 0)))]
    for old in _rows(model, backend, missing).values():
        yield Difference(kind="missing", key={name: getattr(old, name) for name in model.natural_key})


def _rows(model: type[DataTable], backend: Backend, pks: list[Any]) -> dict[Any, DataTable]:
    return model._default_manager.using(backend.connection.alias).in_bulk(pks) if pks else {}
