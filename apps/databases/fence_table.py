"""`dc_fence`: how far the runs of each app have come with each table, in the database that the table is in.

Rows that live in another database than the platform's cannot be committed together with a look at the platform's row of
the run. The row of this table is touched by the last statement of every transaction that writes them, and so it is held
until the COMMIT: the runs of one app pass here one after the other (docs/decisions/0016-fence-elsewhere.md).
"""

# ruff: noqa: S608 - the name of the table is a constant, values are parameters

from __future__ import annotations

from collections.abc import Sequence

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "dc_fence"
#: Stands for what an app writes by statements of its own, whatever tables they are.
OWN_STATEMENTS = "*"

CREATE = (
    f"CREATE TABLE {TABLE} (app varchar(122) NOT NULL, table_name varchar(128) NOT NULL, epoch bigint NOT NULL, "
    "PRIMARY KEY (app, table_name))"
)
_EXISTS = {
    "postgresql": f"SELECT to_regclass('{TABLE}') IS NOT NULL",
    "sqlite": f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'",
    "microsoft": f"SELECT CASE WHEN OBJECT_ID('{TABLE}', 'U') IS NULL THEN 0 ELSE 1 END",
}


def upsert(vendor: str, rows: int) -> str:
    """The statement that raises so many epochs, each unless it is higher already. Takes app, table and epoch of each.

    It changes fewer rows than it was given where a later run was here before; those it holds all the same.
    """
    values = ", ".join(["(%s, %s, %s)"] * rows)
    if vendor == "microsoft":
        return (
            f"MERGE {TABLE} WITH (UPDLOCK, HOLDLOCK) AS f "
            f"USING (VALUES {values}) AS mine (app, table_name, epoch) "
            "ON f.app = mine.app AND f.table_name = mine.table_name "
            "WHEN MATCHED AND f.epoch <= mine.epoch THEN UPDATE SET epoch = mine.epoch "
            "WHEN NOT MATCHED THEN INSERT (app, table_name, epoch) VALUES (mine.app, mine.table_name, mine.epoch);"
        )
    return (
        f"INSERT INTO {TABLE} (app, table_name, epoch) VALUES {values} "
        "ON CONFLICT (app, table_name) DO UPDATE SET epoch = excluded.epoch "
        f"WHERE {TABLE}.epoch <= excluded.epoch"
    )


def hold(connection: BaseDatabaseWrapper, app: str, tables: Sequence[str], epoch: int) -> bool:
    """Hold the rows of these tables until the transaction ends. False when a later run of the app was here before."""
    names = sorted({name[:128] for name in tables})  # in one order, so that two runs never wait for each other
    with connection.cursor() as cursor:
        cursor.execute(upsert(connection.vendor, len(names)), [part for name in names for part in (app, name, epoch)])
        return bool(cursor.rowcount == len(names))


def make_fence(alias: str) -> None:
    """Make the table where there is none. Raises `DatabaseError` where that is not allowed."""
    if _exists(alias):
        return
    try:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(CREATE)
    except DatabaseError:
        # Somebody else may have made it at this moment.
        if not _exists(alias):
            raise


def _exists(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(_EXISTS[connections[alias].vendor])
        return bool(cursor.fetchone()[0])


def is_the_platforms(alias: str) -> bool:
    """Whether this connection leads to the database in which the runs are, as the platform itself."""
    one, other = connections[alias].settings_dict, connections["default"].settings_dict
    return all(one[name] == other[name] for name in ("ENGINE", "NAME", "HOST", "PORT", "USER", "OPTIONS"))
