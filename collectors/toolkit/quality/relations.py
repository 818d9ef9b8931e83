"""Rules about several fields of a row, about several rows, and about other tables."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from collectors.toolkit.quality.rows import Check, Fault, Row, RowRule, Table, shown
from collectors.toolkit.quality.rules import Family, FieldName, FieldNames


class Unique(RowRule):
    """Values that only one thing may have. Without fields: the natural key, and rows with other contents break it.

    The row that comes first counts; the later ones break the rule. A row that comes twice is one row.
    """

    kind: ClassVar[str] = "unique"
    family: ClassVar[Family] = "schema"

    fields: FieldNames = ()

    def field_names(self) -> tuple[str, ...]:
        return self.fields

    def check(self, table: Table) -> Check:
        key = table.natural_key
        fields = self.fields or key
        by_key = set(fields) == set(key)
        seen: dict[tuple[Any, ...], Any] = {}

        def check(row: Row) -> Fault:
            values = tuple(row[name] for name in fields)
            if None in values and not by_key:
                return None
            owner = row["sha"] if by_key else tuple(row[name] for name in key)
            if seen.setdefault(values, owner) == owner:
                return None
            text = ", ".join(map(shown, values))
            return fields[0], f"is {text}, as in an earlier row{' with other contents' if by_key else ''}"

        return check


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Compare(RowRule):
    """Two fields of a row, held against each other; where one of them is None, nothing is."""

    kind: ClassVar[str] = "compare"
    family: ClassVar[Family] = "business"

    left: FieldName
    operator: Literal["<", "<=", ">", ">=", "==", "!="]
    right: FieldName

    def field_names(self) -> tuple[str, ...]:
        return self.left, self.right

    def check(self, table: Table) -> Check:
        holds = OPERATORS[self.operator]

        def check(row: Row) -> Fault:
            left, right = row[self.left], row[self.right]
            if left is None or right is None:
                return None
            try:
                if holds(left, right):
                    return None
            except TypeError:
                return self.left, f"({shown(left)}) cannot be compared with {self.right} ({shown(right)})"
            return self.left, f"is {shown(left)}, but has to be {self.operator} {self.right}, which is {shown(right)}"

        return check


class Reference(RowRule):
    """Values that another table holds in its current rows; where one of them is None, nothing is looked up."""

    kind: ClassVar[str] = "reference"
    family: ClassVar[Family] = "business"

    fields: Annotated[FieldNames, Field(min_length=1)]
    dataset: Annotated[str, Field(pattern=r"^\w+\.\w+$")]
    """The label of the other model: `shop_books_prices.shop`."""
    to_fields: FieldNames = ()
    """Its fields; of the same names, if empty."""

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if self.to_fields and len(self.to_fields) != len(self.fields):
            raise ValueError("fields and to_fields have to be equally many")
        return self

    def field_names(self) -> tuple[str, ...]:
        return self.fields

    def check(self, table: Table) -> Check:
        known = frozenset(table.values_of(self.dataset, self.to_fields or self.fields))

        def check(row: Row) -> Fault:
            values = tuple(row[name] for name in self.fields)
            if None in values or values in known:
                return None
            return self.fields[0], f"is {', '.join(map(shown, values))}, which {self.dataset} does not have"

        return check
