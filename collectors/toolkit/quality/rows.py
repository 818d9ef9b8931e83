"""Rules about single rows. A rule is made into a function of one row, anew for each pass over the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeAlias

from pydantic import Field

from collectors.toolkit.quality.rules import Family, FieldNames, Rule, Severity

#: Field and the rest of a sentence that begins with its name; None for a row that is right.
Fault: TypeAlias = tuple[str, str] | None
#: Values by name, as the table keeps them, and the hash of the row as "sha".
Row: TypeAlias = Mapping[str, Any]
Check: TypeAlias = Callable[[Row], Fault]


class Table(Protocol):
    """What a rule has to know of the table."""

    natural_key: tuple[str, ...]

    def convert(self, field: str, value: Any) -> Any:
        """The value as the field keeps it."""
        ...

    def values_of(self, dataset: str, fields: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
        """The values of these fields in the current rows of another table."""
        ...


class RowRule(Rule, ABC):
    """Looks at one row after the other."""

    severities: ClassVar[tuple[Severity, ...]] = ("quarantine", "block", "warn")

    @abstractmethod
    def check(self, table: Table) -> Check:
        """A function for one pass over the rows. Nothing is asked of a database once it is made."""


class Fits(RowRule):
    """What becomes of a row that its table cannot hold: a wrong type, too long, a missing field. It never fits."""

    kind: ClassVar[str] = "fits"
    family: ClassVar[Family] = "schema"
    severities: ClassVar[tuple[Severity, ...]] = ("quarantine", "block")
    severity: Literal["quarantine", "block"] = "quarantine"

    def check(self, table: Table) -> Check:
        return lambda _row: None  # such a row is refused before there are values to look at


class Required(RowRule):
    """Fields that have to hold something: neither None nor an empty text."""

    kind: ClassVar[str] = "required"
    family: ClassVar[Family] = "schema"

    fields: Annotated[FieldNames, Field(min_length=1)]

    def field_names(self) -> tuple[str, ...]:
        return self.fields

    def check(self, table: Table) -> Check:
        def check(row: Row) -> Fault:
            for name in self.fields:
                value = row[name]
                if value is None or (isinstance(value, str) and not value.strip()):
                    return name, "must not be empty"
            return None

        return check


def shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
