"""SQL Server: bulk insert into `#temp`, and an application lock on the transaction.

No server was to be had where this was written: the statements are compiled and parsed by the tests, and run as part of
the whole suite where `DC_TEST_MSSQL_URL` names a server.
"""

# ruff: noqa: S608 - names come from models and are quoted, values are parameters

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.records.backends.base import Backend, batches
from apps.records.statements import Statements

#: Deadlock victim, lock request timeout, snapshot conflict; 2627 and 2601 are a key that another session just wrote.
CODES = frozenset({1205, 1222, 3960, 2627, 2601})
LOCK_TIMEOUT_MS = 600_000
#: What one statement may hold: 2,100 parameters, two of which are the driver's, and 1,000 rows of values.
PARAMETERS, ROWS = 2098, 1000


class SQLServerStatements(Statements):
    """In the dialect of SQL Server."""

    temporary_prefix = "#"

    def _create(self, name: str, columns: str) -> str:
        # UNION ALL keeps the identity of a key column out of the new table, the outer join its NOT NULL. No parameters
        # in here: a statement with parameters runs in a scope of its own, and takes its temporary tables with it.
        empty = f"FROM (SELECT 1 AS one) o LEFT JOIN {self.table} t ON 1 = 0 WHERE 1 = 0"
        return f"SELECT {columns} INTO {name} {empty} UNION ALL SELECT {columns} {empty}"

    def count_diff(self) -> str:
        # count(column) warns about the NULLs it leaves out, and a warning is an answer some drivers trip over.
        return (
            "SELECT sum(CASE WHEN dc_ord IS NULL THEN 0 ELSE 1 END), sum(CASE WHEN dc_pk IS NULL THEN 0 ELSE 1 END) "
            f"FROM {self.diff}"
        )

    def lock(self) -> str:
        """Takes the name of the lock. Returns a negative number when it was not granted."""
        return (
            "SET NOCOUNT ON; DECLARE @granted int; "
            "EXEC @granted = sp_getapplock @Resource = %s, @LockMode = 'Exclusive', "
            f"@LockOwner = 'Transaction', @LockTimeout = {LOCK_TIMEOUT_MS}; SELECT @granted"
        )

    def _null_safe(self, one: str, other: str) -> str:
        return f"({one} = {other} OR ({one} IS NULL AND {other} IS NULL))"

    def _limited(self, rest: str, limit: int) -> str:
        return f"SELECT TOP {limit} {rest}"


class LockNotGranted(DatabaseError):
    """Another merge held the table for longer than ten minutes."""


class SQLServerBackend(Backend):
    statements_class = SQLServerStatements
    sql: SQLServerStatements
    stages_in_transaction: ClassVar[bool] = False

    @staticmethod
    def description(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str]:
        statement = (
            "SELECT c.name, CONCAT(TYPE_NAME(c.user_type_id), ' ', c.max_length, ' ', c.precision, ' ', c.scale), "
            "CASE WHEN c.is_nullable = 1 OR c.default_object_id <> 0 OR c.is_identity = 1 THEN 1 ELSE 0 END "
            "FROM sys.columns c WHERE c.object_id = OBJECT_ID(%s)"
        )
        return statement, connection.ops.quote_name(table)

    @staticmethod
    def is_worth_another_try(error: BaseException) -> bool:
        found = {int(code) for code in re.findall(r"\((\d{4})\)", str(error))}
        return isinstance(error, DatabaseError) and (bool(found & CODES) or "40001" in str(error))

    def lock(self, tables: Sequence[str]) -> None:
        for table in tables:
            granted = self.one(self.sql.lock(), [f"dc_merge:{table}"[:255]])[0]
            if granted < 0:
                raise LockNotGranted(f"the lock of the table {table} was not granted within ten minutes")

    def execute_many(self, statement: str, rows: list[Any]) -> None:
        with self.connection.cursor() as cursor:
            # The rows go over in one piece instead of one statement each.
            raw: Any = getattr(cursor.cursor, "cursor", cursor.cursor)
            if getattr(self.connection, "_is_microsoft_driver", False):
                if hasattr(raw, "fast_executemany"):
                    raw.fast_executemany = True
                cursor.executemany(statement, rows)
                return
            # Under FreeTDS that ends the process (a segmentation fault in 1.3): many rows in one statement there.
            head, _, one = statement.rpartition(" VALUES ")
            for batch in batches(rows, min(ROWS, PARAMETERS // len(rows[0]))):
                values = ", ".join([one] * len(batch))
                cursor.execute(f"{head} VALUES {values}", [value for row in batch for value in row])
