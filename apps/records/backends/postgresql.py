"""PostgreSQL: binary COPY into a temporary table, set statements, COPY of the new rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.records.backends.base import Backend
from apps.records.backends.binary_copy import SIGNATURE, TRAILER, compile_packer
from apps.records.rows import Batch

#: serialization_failure, deadlock_detected
STATES = frozenset({"40001", "40P01"})
#: From so many rows on the comparison gets memory for its hash tables (for each of its steps, and no longer than the
#: transaction).
MANY, MEMORY = 50_000, "64MB"


class PostgresBackend(Backend):
    @staticmethod
    def description(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str]:
        statement = (
            "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull OR atthasdef OR attidentity <> '' "
            "FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        )
        return statement, connection.ops.quote_name(table)

    @staticmethod
    def is_worth_another_try(error: BaseException) -> bool:
        cause = error.__cause__ or error
        return isinstance(error, DatabaseError) and getattr(cause, "sqlstate", None) in STATES

    def lock(self, tables: Sequence[str]) -> None:
        names = ", ".join(self.connection.ops.quote_name(table) for table in tables)
        self.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")

    def stage(self, batches: Iterable[Batch], key_places: Sequence[int]) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql.key_columns())
            kinds = [column.type_code for column in cursor.description]
        packer = compile_packer(self.key_fields, kinds, key_places)
        if packer is None:
            return self._stage_as_text(batches, key_places)
        count = 0

        def send(copy: Any) -> None:
            nonlocal count
            copy.write(SIGNATURE)
            for batch in batches:
                copy.write(packer(batch.numbers, batch.shas, batch.columns))
                count += len(batch.shas)
            copy.write(TRAILER)

        self._copy(f"COPY {self.sql.stage} FROM STDIN (FORMAT BINARY)", send)
        return count

    def staged(self, count: int) -> None:
        if count >= MANY:
            self.execute(f"SET LOCAL work_mem = '{MEMORY}'")

    def insert(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        names = ", ".join(self.connection.ops.quote_name(column) for column in columns)

        def send(copy: Any) -> None:
            for row in rows:
                copy.write_row(row)

        self._copy(f"COPY {self.sql.table} ({names}) FROM STDIN", send)

    def _stage_as_text(self, batches: Iterable[Batch], key_places: Sequence[int]) -> int:
        """For key columns whose binary form is not known here."""
        keys = list(zip(key_places, map(self.preparer, self.key_fields), strict=True))
        count = 0

        def send(copy: Any) -> None:
            nonlocal count
            for batch in batches:
                columns = (map(p, batch.columns[place]) for place, p in keys)
                for row in zip(batch.numbers, *columns, batch.shas, strict=True):
                    copy.write_row(row)
                count += len(batch.shas)

        self._copy(f"COPY {self.sql.stage} FROM STDIN", send)
        return count

    def _copy(self, statement: str, send: Callable[[Any], None]) -> None:
        """Through the wrappers of the connection, so that whoever watches statements sees this one too."""
        with self.connection.cursor() as cursor:

            def run(sql: str, *_: Any) -> None:
                with self.connection.wrap_database_errors, cursor.cursor.copy(sql) as copy:
                    send(copy)

            cursor._execute_with_wrappers(statement, None, many=False, executor=run)
