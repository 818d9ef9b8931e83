"""From what an author gives to what a table takes: one row at a time, checked, hashed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.records.columns import FALLS_BACK, BatchReader
from apps.records.models import PLATFORM_FIELDS, DataTable
from apps.records.refusals import DoesNotFit, cleaner
from collectors.contract import Record
from collectors.toolkit.errors import BadRow, StorageError
from collectors.toolkit.merge import compile_hasher, unhashable_field
from collectors.toolkit.merge.columns import Column

Values = tuple[Any, ...]
#: The number of a row in its merge, its hash, and its values in the order of `RowReader.fields`.
Prepared = tuple[int, str, Values]
#: Told of a row that does not fit; True: it was put aside, and the merge goes on without it.
OnBadRow = Callable[[BadRow, Record], bool]
#: Given the number of a row that fits, its hash and its values: an error, if it breaks a rule of its dataset.
RowCheck = Callable[[int, str, Values], BadRow | None]
#: Asked when a pass over the rows begins, with the names of their values; None: no row has to be looked at.
BeginRows = Callable[[Sequence[str]], RowCheck | None]
#: So many rows are read at once; and so few are looked at one by one, when something is wrong with one of them.
BATCH, FEW = 500, 8


@dataclass(slots=True)
class Batch:
    """Rows that fit, in order: their numbers in the merge, from 1, their hashes, and their values, by column."""

    numbers: Sequence[int]
    shas: list[str]
    columns: Sequence[Column]

    def rows(self) -> Iterator[tuple[str, Values]]:
        """The hash and the values of each, in the order of `RowReader.fields`."""
        return zip(self.shas, zip(*self.columns, strict=True), strict=True)


def business_fields(model: type[DataTable]) -> list[models.Field[Any, Any]]:
    """The fields of a table that an author fills, in the order of the model."""
    return [field for field in model._meta.concrete_fields if field.name not in PLATFORM_FIELDS]


def column_of(field: models.Field[Any, Any]) -> str:
    """The name of its column; a concrete field has one."""
    return str(field.column)


def stored(model: type[DataTable], name: str, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """The value of a field as the database takes it."""
    field = next(field for field in model._meta.concrete_fields if field.name == name)
    return field.get_db_prep_save(value, connection)


class RowReader:
    """Reads rows of one table. Every refusal names the row number, the field and the rule."""

    def __init__(
        self,
        model: type[DataTable],
        scope: Mapping[str, Any] | None = None,
        *,
        on_bad_row: OnBadRow | None = None,
        begin_rows: BeginRows | None = None,
    ) -> None:
        self.model = model
        self.fields = business_fields(model)
        #: The numbers of the rows that were put aside, and the keys of those whose key could be read.
        self.aside: set[int] = set()
        self.held_keys: list[tuple[Any, ...]] = []
        self._on_bad_row = on_bad_row
        self._begin_rows = begin_rows
        self._cleaners = {field.name: cleaner(field) for field in self.fields}
        self._attributes = {field.name: field.attname for field in self.fields}
        self._required = {f.name for f in self.fields if not (f.has_default() or f.null or f.blank)}
        self._defaults: dict[str, Callable[[], Any]] = {field.name: field.get_default for field in self.fields}
        self._hasher = compile_hasher(model.hash_fields())
        places = {field.name: place for place, field in enumerate(self.fields)}
        self.key_places = [places[name] for name in model.natural_key]
        self.scope = self._checked_scope(scope or {})
        self._batches = BatchReader(
            self.fields, self._cleaners, model.hash_fields(),
            scope=self.scope, required=self._required, mapping_of=self._mapping_of,
        )  # fmt: skip

    def batches(self, rows: Iterable[Record]) -> Iterator[Batch]:
        """Every row, in batches. Raises `BadRow`."""
        self.aside, self.held_keys = set(), []
        check = None if self._begin_rows is None else self._begin_rows([field.name for field in self.fields])
        batches = self._read(rows)
        return batches if check is None else self._checked(batches, check)

    def _checked(self, batches: Iterable[Batch], check: RowCheck) -> Iterator[Batch]:
        for batch in batches:
            rows = zip(batch.numbers, batch.rows(), strict=True)
            kept = [(number, *row) for number, row in rows if self._passes(number, *row, check=check)]
            if len(kept) == len(batch.shas):
                yield batch
            elif kept:
                yield _batch_of(kept)

    def _passes(self, number: int, sha: str, values: Values, *, check: RowCheck) -> bool:
        error = check(number, sha, values)
        if error is None:
            return True
        row = {field.name: value for field, value in zip(self.fields, values, strict=True)}
        if self._on_bad_row is None or not self._on_bad_row(error, row):
            raise error
        self.aside.add(number)
        self.held_keys.append(tuple(values[place] for place in self.key_places))
        return False

    def read(self, rows: Iterable[Record]) -> Iterator[tuple[tuple[Any, ...], str, dict[str, Any]]]:
        """`(natural key, hash, values by name)` of every row. Raises `BadRow`."""
        names = [field.name for field in self.fields]
        for batch in self.batches(rows):
            for sha, values in batch.rows():
                key = tuple(values[place] for place in self.key_places)
                yield key, sha, dict(zip(names, values, strict=True))

    def reread(self, rows: Iterable[Record]) -> Iterator[tuple[str, Values]]:
        """Rows that fitted before."""
        for batch in self._read(rows):
            yield from batch.rows()

    def _read(self, rows: Iterable[Record]) -> Iterator[Batch]:
        iterator, first = iter(rows), 1
        while block := list(islice(iterator, BATCH)):
            yield from self._read_block(block, first)
            first += len(block)

    def _read_block(self, block: list[Record], first: int) -> Iterator[Batch]:
        """Rows that are not as expected are found by halving."""
        try:
            shas, columns = self._batches.read(block)
        except FALLS_BACK:
            pass
        else:
            yield Batch(range(first, first + len(block)), shas, columns)
            return
        if len(block) > FEW:
            half = len(block) // 2
            yield from self._read_block(block[:half], first)
            yield from self._read_block(block[half:], first + half)
            return
        found = [each for number, row in enumerate(block, first) if (each := self._long_way(number, row)) is not None]
        if found:
            yield _batch_of(found)

    def _long_way(self, number: int, row: Record) -> Prepared | None:
        """Something about the row was unexpected; this finds out what, and says so."""
        try:
            return number, *self._read_slowly(number, row)
        except BadRow as error:
            if self._on_bad_row is None or not self._on_bad_row(error, row):
                raise
            self.aside.add(number)
            self._hold_key(row)
            return None

    def _hold_key(self, row: Record) -> None:
        """Remember which thing the row is about, if that can be read."""
        with suppress(TypeError, KeyError, DoesNotFit):
            given = self._mapping_of(row)
            self.held_keys.append(tuple(self._cleaners[name](given[name]) for name in self.model.natural_key))

    def _read_slowly(self, number: int, row: Record) -> tuple[str, Values]:
        values = self._clean(number, self._as_mapping(number, row))
        for name, wanted in self.scope.items():
            if values[name] != wanted:
                words = f"is {values[name]!r}, outside the scope {wanted!r} of this merge"
                raise self._bad(number, name, "scope", words)
        try:
            sha = self._hasher(values)
        except (TypeError, ValueError) as error:
            field = unhashable_field({name: values[name] for name in self.model.hash_fields()})
            raise BadRow(
                f'Row {number} of {self.model.__name__} cannot be hashed: {error} ("{field}").',
                row=number, field=field, rule="surrogate" if "surrogate" in str(error) else "type",
            ) from None  # fmt: skip
        return sha, tuple(values.values())

    def _as_mapping(self, number: int, row: Record) -> Mapping[str, Any]:
        try:
            return self._mapping_of(row)
        except TypeError:
            raise BadRow(
                f"Row {number} is a {type(row).__name__}; give {self.model.__name__} a mapping, a dataclass or an "
                "instance.",
                row=number, rule="kind",
            ) from None  # fmt: skip

    def _mapping_of(self, row: Record) -> Mapping[str, Any]:
        if isinstance(row, self.model):
            return {name: getattr(row, attribute) for name, attribute in self._attributes.items()}
        if isinstance(row, Mapping):
            return row
        if dataclasses.is_dataclass(row) and not isinstance(row, type):
            return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        raise TypeError

    def _clean(self, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        unknown = [name for name in row if name not in self._cleaners]
        if unknown:
            raise self._bad(number, str(unknown[0]), "unknown", "is not a field of this table")
        values: dict[str, Any] = {}
        for name, clean in self._cleaners.items():
            if name not in row:
                if name in self._required:
                    raise self._bad(number, name, "missing", "is missing")
                values[name] = self._defaults[name]()
                continue
            try:
                values[name] = clean(row[name])
            except DoesNotFit as fault:
                raise self._bad(number, name, fault.rule, str(fault)) from None
        return values

    def _checked_scope(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """The scope as its fields keep it, so that it means the same for rows that come and rows that are there."""
        checked = {}
        for name, value in scope.items():
            if name not in self.model.scope_fields:
                raise StorageError(
                    f'{self.model.__name__} cannot be merged by "{name}": it is not among its scope_fields.'
                )
            try:
                checked[name] = self._cleaners[name](value)
            except DoesNotFit as fault:
                raise StorageError(f'The scope of a merge into {self.model.__name__}: "{name}" {fault}.') from None
        return checked

    def _bad(self, number: int, field: str, rule: str, what: str) -> BadRow:
        return BadRow(f'Row {number} of {self.model.__name__}: "{field}" {what}.', row=number, field=field, rule=rule)


def _batch_of(rows: Sequence[Prepared]) -> Batch:
    numbers, shas, values = zip(*rows, strict=True)
    return Batch(numbers, list(shas), list(zip(*values, strict=True)))
