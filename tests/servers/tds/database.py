"""A SQLite file that is taken for a database of SQL Server: its types, functions and catalogue, as clients ask."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

CATALOGUE = """
CREATE TEMP VIEW sys_tables AS SELECT name, object_number(name) AS object_id, 1 AS schema_id, 'U' AS type
    FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%';
CREATE TEMP VIEW sys_objects AS SELECT * FROM temp.sys_tables UNION ALL
    SELECT name, object_number(name), 1, 'V' FROM main.sqlite_master WHERE type = 'view';
CREATE TEMP VIEW sys_columns AS SELECT t.object_id, c.name, c.cid + 1 AS column_id, c.type AS user_type_id,
    0 AS max_length, 0 AS precision, 0 AS scale,
    NOT c."notnull" AS is_nullable, c.dflt_value IS NOT NULL AS default_object_id,
    c.pk = 1 AND c.type = 'INTEGER' AS is_identity, NULL AS collation_name
    FROM temp.sys_tables t, pragma_table_info(t.name) c;
CREATE TEMP VIEW sys_indexes AS SELECT t.object_id, i.name, i."unique" AS is_unique, i.partial AS has_filter
    FROM temp.sys_tables t, pragma_index_list(t.name) i;
CREATE TEMP VIEW sys_foreign_keys AS SELECT '' AS name, 0 AS object_id, 0 AS referenced_object_id WHERE 0;
CREATE TEMP VIEW information_schema_table_constraints AS
    SELECT '' AS TABLE_NAME, '' AS CONSTRAINT_NAME, '' AS CONSTRAINT_TYPE WHERE 0;
CREATE TEMP VIEW sys_schemas AS SELECT 'dbo' AS name, 1 AS schema_id;
CREATE TEMP VIEW sys_extended_properties AS
    SELECT 0 AS major_id, 0 AS minor_id, '' AS name, NULL AS value WHERE 0;
CREATE TEMP VIEW sys_dm_exec_connections AS SELECT session_spid() AS session_id, session_encryption() AS encrypt_option;
CREATE TEMP VIEW information_schema_tables AS SELECT name AS TABLE_NAME,
    CASE type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END AS TABLE_TYPE, 'dbo' AS TABLE_SCHEMA FROM temp.sys_objects;
"""
PROPERTIES = {"PRODUCTVERSION": "16.0.1000.6", "ENGINEEDITION": 3}


def open_database(path: Path, *, is_read_only: bool, facts: dict[str, Callable[[], Any]]) -> sqlite3.Connection:
    """A connection of its own to the file. `facts` are what the session knows: @@SPID and the like."""
    for kind, convert in CONVERTERS.items():
        sqlite3.register_converter(kind, convert)
    line = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=20,
        detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
        check_same_thread=False,
    )
    line.execute("PRAGMA journal_mode = WAL")
    line.execute("PRAGMA synchronous = OFF")
    for name, (count, function) in FUNCTIONS.items():
        line.create_function(name, count, function)
    for name, fact in facts.items():
        line.create_function(name, 0, fact)
    line.create_function("DATABASEPROPERTYEX", 2, lambda *_: "READ_ONLY" if is_read_only else "READ_WRITE")
    line.create_function("OBJECT_ID", -1, _object_id(line))
    line.create_function("DB_NAME", 0, lambda: path.stem)
    line.executescript(CATALOGUE)
    return line


def stored(value: Any) -> Any:
    """A parameter as SQLite keeps it. Moments are texts in UTC, so that they sort."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else int(value) if isinstance(value, bool) else value


def _moment(data: bytes) -> datetime:
    return datetime.fromisoformat(data.decode())


CONVERTERS: dict[str, Callable[[bytes], Any]] = {
    "BIT": lambda data: data != b"0",
    "DATE": lambda data: date.fromisoformat(data.decode()),
    "DATETIME2": _moment,
    "DATETIMEOFFSET": lambda data: _moment(data).replace(tzinfo=UTC),
    "NUMERIC": lambda data: Decimal(data.decode()),
}


def _number(name: str) -> int:
    """The same number for [dbo].[Stock] and stock."""
    return int.from_bytes(_plain(name).encode(), "big") % 2_000_000_011


def _plain(name: str) -> str:
    return re.sub(r"[\[\]\"]", "", name).rpartition(".")[2].lower()


def _object_id(line: sqlite3.Connection) -> Callable[..., int | None]:
    """OBJECT_ID: NULL for what is not there."""

    def object_id(name: str, *_: Any) -> int | None:
        there = "SELECT 1 FROM sqlite_master WHERE lower(name) = ?"
        return _number(name) if line.execute(there, [_plain(name)]).fetchone() else None

    return object_id


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "SERVERPROPERTY": (1, lambda name: PROPERTIES.get(name.upper())),
    "OBJECT_NUMBER": (1, _number),
    "SCHEMA_NAME": (-1, lambda *_: "dbo"),
    "SCHEMA_ID": (-1, lambda *_: 1),
    "SYSDATETIME": (0, lambda: stored(datetime.now(UTC))),
    "TYPE_NAME": (1, lambda name: name),
    "HAS_PERMS_BY_NAME": (-1, lambda *_: 1),
    "ISJSON": (1, lambda text: None if text is None else int(_is_json(text))),
    "CONCAT": (-1, lambda *parts: "".join("" if part is None else str(part) for part in parts)),
}


def _is_json(text: str) -> bool:
    import json

    try:
        json.loads(text)
    except ValueError:
        return False
    return True
