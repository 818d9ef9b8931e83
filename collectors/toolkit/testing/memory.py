"""A record store in memory, with the meaning and the errors of the real one."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from collectors.contract import MergeResult, Missing, Record
from collectors.toolkit.errors import BadRow, StorageError
from collectors.toolkit.merge import ConflictingRows, Stored, make_hash, plan_merge, unhashable_field
from collectors.toolkit.testing.rows import Values, read_row
from collectors.toolkit.testing.series import MemorySeries, within


@dataclasses.dataclass(slots=True)
class _Table:
    """The rows of one model; a row is current until it is archived."""

    versions: list[tuple[str, Values]] = dataclasses.field(default_factory=list)
    archived: set[int] = dataclasses.field(default_factory=set)

    def current(self) -> dict[int, tuple[str, Values]]:
        return {place: version for place, version in enumerate(self.versions) if place not in self.archived}


class MemoryRecords:
    """Merges rows of models that name a `natural_key`: DataTables, or any class that has one.

    Rows of a DataTable are read as its fields read them (`"9.90"` becomes `Decimal("9.90")`, what is missing gets
    its default) and refused as the real store refuses them.
    """

    def __init__(self, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.totals = MergeResult()
        self._tables: dict[type, _Table] = {}
        self._series: MemorySeries | None = None

    def rows(self, model: type) -> list[Values]:
        """The current rows, in the order they were stored."""
        return [dict(values) for _, values in self._table(model).current().values()]

    def history(self, model: type) -> list[Values]:
        """The archived rows, in the order they were stored."""
        table = self._table(model)
        return [dict(values) for place, (_, values) in enumerate(table.versions) if place in table.archived]

    def merge(
        self,
        model: type,
        rows: Iterable[Record],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
    ) -> MergeResult:
        """See `collectors.contract.RecordStore`."""
        table, scope = self._table(model), _checked_scope(model, scope or {})
        key_fields = _natural_key(model)
        incoming = [(_key(key_fields, row), sha, row) for sha, row in _read(model, rows, scope)]
        stored = {
            _key(key_fields, row): Stored(place, sha)
            for place, (sha, row) in table.current().items()
            if within(row, scope)
        }
        if self._series is not None and missing != "keep":
            self._series.note(model, scope, missing, [key for key, _, _ in incoming], complete=complete)
            complete = False
        archive_missing = missing == "archive" and complete
        try:
            plan = plan_merge(incoming, stored, archive_missing=archive_missing)
        except ConflictingRows as conflict:
            keys = ", ".join(_shown(key_fields, key) for key in conflict.keys[:5])
            raise BadRow(f"{model.__name__}: different rows have the same key: {keys}.") from None
        if archive_missing and stored and not plan.seen:
            raise StorageError(
                f"{model.__name__}: the run brought no rows while {len(stored)} are current; nothing was archived."
            )
        if not self.dry_run:
            table.archived.update(plan.archive)
            table.versions.extend((sha, row) for row, sha in plan.insert)
        self.totals += plan.result
        return plan.result

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `collectors.contract.RecordStore`."""
        before = copy.deepcopy(self._tables), self.totals
        try:
            yield
        except BaseException:
            self._tables, self.totals = before
            raise

    @contextmanager
    def series(self) -> Iterator[MemorySeries]:
        """See `collectors.contract.RecordStore`."""
        self._series = MemorySeries(self)
        try:
            yield self._series
        finally:
            self._series = None

    def take_away(self, model: type, scope: Mapping[str, Any], kept: Collection[tuple[Hashable, ...]]) -> MergeResult:
        """Archive the current rows in the scope whose keys are not among these."""
        table, key_fields = self._table(model), _natural_key(model)
        rows = {place: row for place, (_, row) in table.current().items() if within(row, scope)}
        gone = {place for place, row in rows.items() if _key(key_fields, row) not in kept}
        if rows and not kept:
            raise StorageError(
                f"{model.__name__}: the run brought no rows while {len(rows)} are current; nothing was archived."
            )
        if not self.dry_run:
            table.archived.update(gone)
        result = MergeResult(archived=len(gone))
        self.totals += result
        return result

    def _table(self, model: type) -> _Table:
        return self._tables.setdefault(model, _Table())


def _read(model: type, rows: Iterable[Record], scope: Mapping[str, Any]) -> Iterator[tuple[str, Values]]:
    for number, row in enumerate(rows, start=1):
        values = read_row(model, number, row)
        for name, wanted in scope.items():
            if values[name] != wanted:
                raise BadRow(
                    f'Row {number} of {model.__name__}: "{name}" is {values[name]!r}, '
                    f"outside the scope {wanted!r} of this merge."
                )
        try:
            sha = make_hash(values)
        except (TypeError, ValueError) as error:
            raise BadRow(
                f'Row {number} of {model.__name__} cannot be hashed: {error} ("{unhashable_field(values)}").'
            ) from None
        yield sha, values


def _natural_key(model: type) -> tuple[str, ...]:
    key: tuple[str, ...] = getattr(model, "natural_key", ())
    if not key:
        raise BadRow(f"{getattr(model, '__name__', model)} is not a DataTable, so rows cannot be merged into it.")
    return key


def _checked_scope(model: type, scope: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in scope:
        if name not in getattr(model, "scope_fields", ()):
            raise StorageError(f'{model.__name__} cannot be merged by "{name}": it is not among its scope_fields.')
    return scope


def _key(fields: tuple[str, ...], row: Values) -> tuple[Hashable, ...]:
    return tuple(row[name] for name in fields)


def _shown(fields: tuple[str, ...], key: tuple[Hashable, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(fields, key, strict=True))
