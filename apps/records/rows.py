"""From what an author gives to what a table takes: one row at a time, checked, hashed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import is_naive

from apps.records.models import PLATFORM_FIELDS, DataTable
from collectors.contract import Record
from collectors.toolkit.errors import BadRow
from collectors.toolkit.merge import compile_hasher

Values = dict[str, Any]
Prepared = tuple[tuple[Hashable, ...], str, Values]


class RowReader:
    """Reads rows of one table. Every refusal names the row number, the field and what is wrong with it."""

    def __init__(self, model: type[DataTable], scope: Mapping[str, Any]) -> None:
        self.model = model
        self.scope = scope
        fields = [field for field in model._meta.concrete_fields if field.name not in PLATFORM_FIELDS]
        self._cleaners = {field.name: _cleaner(field) for field in fields}
        self._attributes = {field.name: field.attname for field in fields}
        self._required = {f.name for f in fields if not (f.has_default() or f.null or f.blank)}
        self._defaults: dict[str, Callable[[], Any]] = {field.name: field.get_default for field in fields}
        self._hasher = compile_hasher(model.hash_fields())

    def read(self, rows: Iterable[Record]) -> Iterator[Prepared]:
        """`(natural key, hash, values)` of every row. Raises `BadRow`."""
        for number, row in enumerate(rows, start=1):
            values = self._clean(number, self._as_mapping(number, row))
            for name, wanted in self.scope.items():
                if values[name] != wanted:
                    raise self._bad(number, name, f"is {values[name]!r}, outside the scope {wanted!r} of this merge")
            try:
                sha = self._hasher(values)
            except (TypeError, ValueError) as error:
                raise BadRow(f"Row {number} of {self.model.__name__} cannot be hashed: {error}.") from None
            yield tuple(values[name] for name in self.model.natural_key), sha, values

    def _as_mapping(self, number: int, row: Record) -> Mapping[str, Any]:
        if isinstance(row, self.model):
            return {name: getattr(row, attribute) for name, attribute in self._attributes.items()}
        if isinstance(row, Mapping):
            return row
        if dataclasses.is_dataclass(row) and not isinstance(row, type):
            return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        raise BadRow(
            f"Row {number} is a {type(row).__name__}; give {self.model.__name__} a mapping, a dataclass or an instance."
        )

    def _clean(self, number: int, row: Mapping[str, Any]) -> Values:
        unknown = [name for name in row if name not in self._cleaners]
        if unknown:
            raise self._bad(number, str(unknown[0]), "is not a field of this table")
        values: Values = {}
        for name, clean in self._cleaners.items():
            if name not in row:
                if name in self._required:
                    raise self._bad(number, name, "is missing")
                values[name] = self._defaults[name]()
                continue
            try:
                values[name] = clean(row[name])
            except ValidationError as error:
                raise self._bad(number, name, " ".join(error.messages).rstrip(".")) from None
        return values

    def _bad(self, number: int, field: str, what: str) -> BadRow:
        return BadRow(f'Row {number} of {self.model.__name__}: "{field}" {what}.')


def _cleaner(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """The value as the field keeps it. Raises `ValidationError`."""

    def clean(value: Any) -> Any:
        value = field.to_python(value)
        if value is None:
            if not field.null:
                raise ValidationError("must not be empty (None)")
            return None
        if isinstance(value, str) and "\x00" in value:
            raise ValidationError("holds a NUL character, which no database can store")
        if isinstance(value, datetime) and is_naive(value):
            raise ValidationError(f"is {value.isoformat()}, a time without a zone")
        field.run_validators(value)
        return value

    return clean
