"""Rules about one field of a row."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from collectors.toolkit.quality.rows import Check, Fault, Row, RowRule, Table, shown
from collectors.toolkit.quality.rules import Family, FieldName

Bound: TypeAlias = bool | int | float | str


class OneField(RowRule, ABC):
    """A rule about one field; None is for `Required` to judge."""

    field: FieldName

    def field_names(self) -> tuple[str, ...]:
        return (self.field,)

    def check(self, table: Table) -> Check:
        test, name = self.test(table), self.field

        def check(row: Row) -> Fault:
            value = row[name]
            words = "" if value is None else test(value)
            return (name, words) if words else None

        return check

    @abstractmethod
    def test(self, table: Table) -> Callable[[Any], str]:
        """A function that says what is wrong with a value; an empty text where nothing is."""


#: What a value has to be readable as.
TYPES: dict[str, Any] = {
    "text": str, "integer": int, "number": float, "boolean": bool, "date": date, "datetime": datetime,
}  # fmt: skip


class Type(OneField):
    """The value can be read as something: a text as a number, say."""

    kind: ClassVar[str] = "type"
    family: ClassVar[Family] = "schema"

    type: Literal["text", "integer", "number", "boolean", "date", "datetime"]

    def test(self, table: Table) -> Callable[[Any], str]:
        read = TypeAdapter(TYPES[self.type]).validate_python

        def test(value: Any) -> str:
            try:
                read(value)
            except ValidationError:
                return f"is {shown(value)}, which is no {self.type}"
            return ""

        return test


class Limits(OneField, ABC):
    """A rule with a lower and an upper limit, one of which may be left out."""

    minimum: Bound | None = None
    maximum: Bound | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("name a minimum or a maximum")
        return self


class Length(Limits):
    """How many characters a text has, or entries a list."""

    kind: ClassVar[str] = "length"
    family: ClassVar[Family] = "schema"

    minimum: Annotated[int, Field(ge=0)] | None = None
    maximum: Annotated[int, Field(ge=0)] | None = None

    def test(self, table: Table) -> Callable[[Any], str]:
        def test(value: Any) -> str:
            size = len(value) if hasattr(value, "__len__") else len(str(value))
            if self.minimum is not None and size < self.minimum:
                return f"has a length of {size}, at least {self.minimum} is expected"
            if self.maximum is not None and size > self.maximum:
                return f"has a length of {size}, at most {self.maximum} is expected"
            return ""

        return test


class Range(Limits):
    """A number, date or moment within limits, which count as within."""

    kind: ClassVar[str] = "range"
    family: ClassVar[Family] = "schema"

    def test(self, table: Table) -> Callable[[Any], str]:
        lowest = None if self.minimum is None else table.convert(self.field, self.minimum)
        highest = None if self.maximum is None else table.convert(self.field, self.maximum)

        def test(value: Any) -> str:
            # Written so that NaN, which is never within anything, is outside.
            if lowest is not None and not value >= lowest:
                return f"is {shown(value)}, at least {lowest} is expected"
            if highest is not None and not value <= highest:
                return f"is {shown(value)}, at most {highest} is expected"
            return ""

        return test


class Format(OneField):
    """A text that matches a regular expression as a whole; an empty text is for `Required` to judge."""

    kind: ClassVar[str] = "format"
    family: ClassVar[Family] = "schema"

    pattern: Annotated[str, Field(min_length=1, max_length=1000)]

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return pattern

    def test(self, table: Table) -> Callable[[Any], str]:
        match = re.compile(self.pattern).fullmatch

        def test(value: Any) -> str:
            text = str(value)
            return "" if not text or match(text) else f"is {shown(value)}, which does not match {self.pattern}"

        return test


class OneOf(OneField):
    """One of a list of values."""

    kind: ClassVar[str] = "one_of"
    family: ClassVar[Family] = "schema"

    values: Annotated[tuple[Bound, ...], Field(min_length=1, max_length=1000)]

    def test(self, table: Table) -> Callable[[Any], str]:
        known = {table.convert(self.field, value) for value in self.values}
        return lambda value: "" if value in known else f"is {shown(value)}, which is not among the values allowed"
