"""What came in, held against what is there, by set statements over the staged rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.records.backends.base import Backend
from apps.records.holding import hold
from apps.records.models import DataTable
from apps.records.rows import stored
from collectors.toolkit.errors import BadRow, StorageError

#: So many keys are named in an error.
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The numbers of what differs; the rows themselves are in the temporary table `diff`."""

    seen: int
    current: int
    """Rows that are current in the scope before the merge."""
    inserted: int
    gone: int
    changed: int
    unchanged: int


def compare(
    backend: Backend,
    model: type[DataTable],
    scope: Mapping[str, Any],
    *,
    seen: int,
    archive_missing: bool,
    may_be_empty: bool = False,
    held_keys: Sequence[tuple[Any, ...]] = (),
) -> Comparison:
    """Fill `diff`, and count. Raises `BadRow` and `StorageError` where the rows make no sense together.

    `held_keys` are those of rows that were put aside: what is current of them is not missing, it stays as it is.
    """
    params = [stored(model, name, value, backend.connection) for name, value in scope.items()]
    current = backend.one(backend.sql.count_current(), params)[0] if archive_missing else 0
    if archive_missing and current and not seen and not may_be_empty:
        raise StorageError(
            f"{model.__name__}: the run brought no rows while {current} are current; nothing was archived."
        )
    for statement in backend.sql.compare_all() if archive_missing else backend.sql.compare_incoming():
        backend.execute(statement, params)
    kept = hold(backend, model, scope, held_keys) if held_keys and archive_missing else 0
    new_rows, gone = (number or 0 for number in backend.one(backend.sql.count_diff()))
    inserted = _insertable(backend, model, scope) if new_rows else 0
    return Comparison(
        seen=seen,
        current=current,
        inserted=inserted,
        gone=gone,
        changed=backend.one(backend.sql.count_changed())[0] if inserted and gone else 0,
        unchanged=current - gone - kept if archive_missing else backend.one(backend.sql.count_matched(), params)[0],
    )


def compare_keys(
    backend: Backend, model: type[DataTable], scope: Mapping[str, Any], *, seen: int, may_be_empty: bool
) -> Comparison:
    """Fill `diff` with the current rows whose keys did not come in, and count. Raises `StorageError`."""
    params = [stored(model, name, value, backend.connection) for name, value in scope.items()]
    current = backend.one(backend.sql.count_current(), params)[0]
    if current and not seen and not may_be_empty:
        raise StorageError(
            f"{model.__name__}: the run brought no rows while {current} are current; nothing was archived."
        )
    backend.execute(backend.sql.compare_keys(), params)
    gone = backend.one(backend.sql.count_diff())[1] or 0
    there = current - gone
    return Comparison(seen=there, current=current, inserted=0, gone=gone, changed=0, unchanged=there)


def _insertable(backend: Backend, model: type[DataTable], scope: Mapping[str, Any]) -> int:
    """How many keys are to be inserted. Raises `BadRow` where a key has two contents, or is taken."""
    keys, conflicts = backend.one(backend.sql.count_new())
    if conflicts:
        raise _conflict(model, backend.rows(backend.sql.conflicting_keys(NAMED)))
    obstacles = backend.rows(backend.sql.obstacles(NAMED))
    if not obstacles:
        return int(keys)
    rows = model._default_manager.using(backend.connection.alias)
    outside = [key for *key, pk in obstacles if not rows.filter(pk=pk, **scope).exists()]
    if not outside:
        raise _conflict(model, [tuple(key) for *key, _ in obstacles])
    raise BadRow(
        f"{model.__name__}: these keys are current outside the scope of this merge: {_shown(model, outside)}.",
        rule="scope",
    )


def _conflict(model: type[DataTable], keys: Sequence[Sequence[Any]]) -> BadRow:
    return BadRow(f"{model.__name__}: different rows have the same key: {_shown(model, keys)}.", rule="conflict")


def _shown(model: type[DataTable], keys: Sequence[Sequence[Any]]) -> str:
    named = (zip(model.natural_key, key, strict=True) for key in keys)
    return ", ".join(", ".join(f"{name}={value}" for name, value in pairs) for pairs in named)
