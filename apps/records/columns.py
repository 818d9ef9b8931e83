"""Reading rows at speed: a batch of rows is turned into columns, and each column is checked and hashed as a whole.

A column takes what it knows to be right: values of the type its field keeps, within its limits; others are cleaned by
the field first. Where a batch does not fit, `rows.py` looks at its rows one by one; that ends in the same values and
the same digests, or in a sentence about what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, TypeAlias

from django.core import validators
from django.db import models

from apps.records.refusals import DoesNotFit
from collectors.contract import Record
from collectors.toolkit.merge.columns import FORMERS, Column, Former, Forms, decimals, others, row_hasher, with_nulls
from collectors.toolkit.merge.quick import LimitedNumbers

Field: TypeAlias = "models.Field[Any, Any]"


class Unexpected(Exception):
    """The rows of this batch are not all as expected."""


#: What reading a batch raises where a row is not as expected.
FALLS_BACK = (Unexpected, DoesNotFit, KeyError, TypeError, ValueError, ArithmeticError, AttributeError)

KINDS: dict[type[models.Field[Any, Any]], type] = {
    models.CharField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.SmallIntegerField: int,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveBigIntegerField: int,
    models.FloatField: float,
    models.DecimalField: Decimal,
    models.DateField: date,
    models.DateTimeField: datetime,
}
Guard = Callable[[Column], bool]
#: Validators whose work is done on a column: class -> what makes the test for a limit.
GUARDS: dict[type, Callable[[int], Guard]] = {
    validators.MaxLengthValidator: lambda limit: lambda column: max(map(len, column)) <= limit,
    validators.MinLengthValidator: lambda limit: lambda column: min(map(len, column)) >= limit,
    validators.MinValueValidator: lambda limit: lambda column: min(column) >= limit,
    validators.MaxValueValidator: lambda limit: lambda column: max(column) <= limit,
}


class FieldColumn:
    """The values of one field."""

    def __init__(
        self, field: Field, clean: Callable[[Any], Any], *, is_hashed: bool = True, wanted: Any = Ellipsis
    ) -> None:
        """`wanted` is the value that the scope of the merge gives the field."""
        self._clean = clean
        self._is_hashed = is_hashed
        self._kind, self._guards = _kind_and_guards(field) if is_hashed else (None, [])
        self._kinds = set() if self._kind is None else {self._kind, type(None)} if field.null else {self._kind}
        self._wanted = wanted
        self._form = others if self._kind is None else _former(field, self._kind)

    def read(self, column: Column) -> tuple[Column, Forms]:
        """The values as the field keeps them, and their canonical forms; no forms where it is not hashed."""
        kinds = set(map(type, column))
        if not kinds <= self._kinds:
            column = list(map(self._clean, column))
            forms = others(column) if self._is_hashed else []
        elif type(None) in kinds:
            forms = with_nulls(column, self._forms)
        else:
            forms = self._forms(column)
        if self._wanted is not Ellipsis and any(value != self._wanted for value in column):
            raise Unexpected
        return column, forms

    def _forms(self, column: Column) -> Forms:
        if not all(guard(column) for guard in self._guards):
            raise Unexpected
        return self._form(column)


class BatchReader:
    """Reads batches of rows of one table."""

    def __init__(
        self,
        fields: Sequence[Field],
        cleaners: Mapping[str, Callable[[Any], Any]],
        hashed: Sequence[str],
        *,
        scope: Mapping[str, Any],
        required: set[str],
        mapping_of: Callable[[Record], Mapping[str, Any]],
    ) -> None:
        self._columns = {
            field.name: FieldColumn(
                field,
                cleaners[field.name],
                is_hashed=field.name in hashed,
                wanted=scope.get(field.name, Ellipsis),
            )
            for field in fields
        }
        self._defaults = [(field.name, field.get_default) for field in fields]
        self._required = required
        self._mapping_of = mapping_of
        self._getters = {name: itemgetter(name) for name in self._columns}
        self._digests = row_hasher(hashed)

    def read(self, rows: Sequence[Record]) -> tuple[list[str], list[Column]]:
        """`(digests, columns)` of these rows. Raises one of `FALLS_BACK` where a row among them is not as expected."""
        mappings: Sequence[Any] = rows if set(map(type, rows)) == {dict} else list(map(self._mapping_of, rows))
        if set(map(len, mappings)) != {len(self._columns)}:
            mappings = list(map(self._completed, mappings))
        columns, forms = [], {}
        for name, field in self._columns.items():
            column, forms[name] = field.read(list(map(self._getters[name], mappings)))
            columns.append(column)
        return self._digests(forms), columns

    def _completed(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row in which some values are left out, with them."""
        if not self._required <= row.keys() <= self._columns.keys():
            raise Unexpected
        return {name: row[name] if name in row else default() for name, default in self._defaults}


def _kind_and_guards(field: Field) -> tuple[type | None, list[Guard]]:
    """The type of the field's values and the tests that stand for its validators; no type where there is more to it."""
    kind = KINDS.get(type(field))
    guards = []
    for validator in field.validators:
        if type(validator) is validators.DecimalValidator and kind is Decimal:
            continue  # LimitedNumbers does it
        limit = getattr(validator, "limit_value", None)
        if type(validator) in GUARDS and isinstance(limit, int):
            guards.append(GUARDS[type(validator)](limit))
        elif type(validator) is not validators.ProhibitNullCharactersValidator:
            return None, []
    return kind, guards


def _former(field: Field, kind: type) -> Former:
    if isinstance(field, models.DecimalField):
        return decimals(LimitedNumbers(field.max_digits or 0, field.decimal_places or 0))
    return FORMERS[kind]()
