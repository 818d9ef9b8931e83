"""SQLite: executemany into a temporary table, and the IMMEDIATE transaction as the lock."""

# ruff: noqa: S608 - names come from models and are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.records.backends.base import Backend
from apps.records.rows import Batch
from apps.records.statements import Statements


class SQLiteStatements(Statements):
    """In the dialect of SQLite, which had no FULL JOIN before 3.39."""

    def create(self) -> list[str]:
        stage, diff = super().create()
        keys = self._of()
        indexes = {"dc_stage_key": (self.stage, f"{keys}, sha"), "dc_diff_key": (self.diff, f"{keys}, dc_ord"),
                   "dc_diff_pk": (self.diff, "dc_pk")}  # fmt: skip
        made = (f"CREATE INDEX temp.{name} ON {table} ({columns})" for name, (table, columns) in indexes.items())
        return [stage, diff, *made]

    def drop(self) -> list[str]:
        return [f"DROP TABLE IF EXISTS temp.{self.diff}", f"DROP TABLE IF EXISTS temp.{self.stage}"]

    def _create(self, name: str, columns: str) -> str:
        return f"CREATE TEMPORARY TABLE {name} AS SELECT {columns} FROM {self.table} t WHERE 0"

    def compare_all(self) -> list[str]:
        return [self._incoming(), self._not_seen()]

    def _null_safe(self, one: str, other: str) -> str:
        return f"{one} IS {other}"


class SQLiteBackend(Backend):
    statements_class = SQLiteStatements
    # Temporary tables are in a file of their own: staging there does not hold up whoever else writes.
    stages_in_transaction: ClassVar[bool] = False

    @staticmethod
    def description(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str]:  # noqa: ARG004
        return 'SELECT name, type, NOT "notnull" OR dflt_value IS NOT NULL OR pk FROM pragma_table_info(%s)', table

    @staticmethod
    def is_worth_another_try(error: BaseException) -> bool:
        return isinstance(error, OperationalError) and ("locked" in str(error) or "busy" in str(error))

    def lock(self, tables: Sequence[str]) -> None:
        """Nothing to do: the transaction is IMMEDIATE, so it is alone already."""

    def stage(self, batches: Iterable[Batch], key_places: Sequence[int]) -> int:
        if self.connection.in_atomic_block:
            return super().stage(batches, key_places)
        # A transaction of its own, which locks nothing but the temporary file; without it each batch would be one.
        self.execute("BEGIN DEFERRED")
        try:
            count = super().stage(batches, key_places)
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")
        return count
