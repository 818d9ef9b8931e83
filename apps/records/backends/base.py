"""What the merge asks of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field

from apps.records.rows import Batch
from apps.records.statements import Layout, Statements

T = TypeVar("T")
BATCH = 1000


class Backend(ABC):
    """One merge into one table, on one connection."""

    statements_class: ClassVar[type[Statements]] = Statements
    stages_in_transaction: ClassVar[bool] = True
    """Whether the rows are staged in the transaction that changes the table, before it locks anything."""

    def __init__(self, connection: BaseDatabaseWrapper, layout: Layout, key_fields: Sequence[Field[Any, Any]]) -> None:
        self.connection = connection
        self.layout = layout
        self.key_fields = list(key_fields)
        self.sql = self.statements_class(layout, self.quote(connection))

    @classmethod
    def quote(cls, connection: BaseDatabaseWrapper) -> Callable[[str], str]:
        """How the engine quotes a name."""
        quote: Callable[[str], str] = connection.ops.quote_name
        return quote

    @staticmethod
    @abstractmethod
    def description(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str]:
        """A statement and its parameter: `(column, type, whether it may be left out)` for each column of a table."""

    @staticmethod
    @abstractmethod
    def is_worth_another_try(error: BaseException) -> bool:
        """Whether the same statements may succeed a moment later."""

    @abstractmethod
    def lock(self, tables: Sequence[str]) -> None:
        """Wait until no other merge works on these tables; held until the transaction ends."""

    def create(self) -> None:
        """Make the temporary tables; what an earlier merge of the session may have left behind is removed."""
        if not self.stages_in_transaction:
            self.drop()
        for statement in self.sql.create():
            self.execute(statement)

    def stage(self, batches: Iterable[Batch], key_places: Sequence[int]) -> int:
        """Take in ordinal, key and hash of all rows; returns how many there were."""
        return self._stage_in_batches(batches, key_places)

    def staged(self, count: int) -> None:  # noqa: B027 - most engines need nothing
        """Prepare the comparison of so many rows."""

    def drop(self) -> None:
        """Remove the temporary tables; not called after an error."""
        for statement in self.sql.drop():
            self.execute(statement)

    def insert(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows whose values are prepared for the database."""
        statement = self.sql.insert(columns)
        for batch in batches(rows):
            self.execute_many(statement, batch)

    def execute(self, statement: str, params: Sequence[Any] = ()) -> int:
        """Returns the number of rows that were changed."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(params) or None)
            count: int = cursor.rowcount
        return count

    def execute_many(self, statement: str, rows: list[Any]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def one(self, statement: str, params: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of an answer that has one."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(params) or None)
            row: tuple[Any, ...] = cursor.fetchone()
        return row

    def rows(self, statement: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(params) or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def preparer(self, field: Field[Any, Any]) -> Callable[[Any], Any]:
        """What makes a value of the field ready for the database."""
        return lambda value: field.get_db_prep_save(value, self.connection)

    def _stage_in_batches(self, batches: Iterable[Batch], key_places: Sequence[int]) -> int:
        keys = list(zip(key_places, map(self.preparer, self.key_fields), strict=True))
        statement, count = self.sql.fill(), 0
        for batch in batches:
            columns = (map(p, batch.columns[place]) for place, p in keys)
            self.execute_many(statement, list(zip(batch.numbers, *columns, batch.shas, strict=True)))
            count += len(batch.shas)
        return count


def batches(values: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """The values in lists of up to `size`."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
