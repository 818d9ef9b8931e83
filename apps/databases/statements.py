"""What an SQL statement reads, writes and calls.

The parser is large: import this where statements of many runs pass, not in a collector.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from apps.databases.shapes import temporary_table

_DIALECTS = {"postgresql": "postgres", "sqlite": "sqlite", "microsoft": "tsql"}
#: Calls of procedures are no expressions to the parser.
_CALL = re.compile(r"\s*(?:CALL|EXEC|EXECUTE)\s+((?:[\w$\[\]\"]+\.)*[\w$\[\]\"]+)", re.IGNORECASE)

_COPY = re.compile(r"\s*COPY\s+(?P<name>[\w$.\"]+)[^;]*?\b(?P<way>FROM|TO)\b", re.IGNORECASE)
#: Others touch no rows, or cannot be read.
_READABLE = re.compile(
    r"\s*(?:\(\s*)*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|TRUNCATE|REPLACE|VALUES|TABLE)\b", re.IGNORECASE
)

# What it cannot read is left out, and no news to anybody.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class Operation(StrEnum):
    """What is done to an object."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Touch:
    """One object, and what is done to it. The name is as the database writes it, with the schema if that is named."""

    name: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement says."""

    touches: frozenset[Touch] = frozenset()
    temporary: frozenset[str] = frozenset()
    """Tables that it makes and nobody else sees."""


@lru_cache(maxsize=4096)
def read_statement(shape: str, vendor: str) -> Reading:
    """What a statement in the dialect of a vendor touches; nothing for one that cannot be read."""
    if call := _CALL.match(shape):
        name = ".".join(part.strip('[]"') for part in call[1].split("."))
        return Reading(frozenset({Touch(_folded(name, vendor), Operation.CALL)}))
    if made := temporary_table(shape):
        return Reading(temporary=frozenset({made}))
    if copied := _COPY.match(shape):
        operation = Operation.INSERT if copied["way"].upper() == "FROM" else Operation.SELECT
        return Reading(frozenset({Touch(_folded(copied["name"].replace('"', ""), vendor), operation)}))
    if not _READABLE.match(shape):
        return Reading()
    try:
        statements = [one for one in parse(shape, read=_DIALECTS.get(vendor)) if one is not None]
    except (SqlglotError, RecursionError):
        return Reading()
    return Reading(frozenset(touch for statement in statements for touch in _touches(statement, vendor)))


def _touches(statement: exp.Expr, vendor: str) -> Iterator[Touch]:
    named = {cte.alias for cte in statement.find_all(exp.CTE)}
    targets: dict[int, list[Operation]] = {}
    for written in statement.find_all(*_WRITES):
        target = written.this.find(exp.Table) if isinstance(written.this, exp.Expr) else None
        if isinstance(written, exp.TruncateTable):
            targets.update({id(table): [Operation.DELETE] for table in written.expressions})
        elif target is not None:
            targets[id(target)] = _operations(written)
    for table in statement.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (table.name in named and not table.db):
            continue
        for operation in targets.get(id(table), [Operation.SELECT]):
            yield Touch(_name(table, vendor), operation)
    for function in statement.find_all(exp.Anonymous):
        schema = function.parent.this if isinstance(function.parent, exp.Dot) else None
        name = f"{schema.name}.{function.name}" if isinstance(schema, exp.Expr) else function.name
        yield Touch(_folded(name, vendor), Operation.CALL)


def _operations(written: exp.Expr) -> list[Operation]:
    match written:
        case exp.Insert():
            conflict = written.args.get("conflict")
            updates = conflict is not None and bool(conflict.expressions)
            return [Operation.INSERT, Operation.UPDATE] if updates else [Operation.INSERT]
        case exp.Update():
            return [Operation.UPDATE]
        case exp.Delete() | exp.TruncateTable():
            return [Operation.DELETE]
        case _:
            return [Operation.INSERT, Operation.UPDATE]


_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)


def _name(table: exp.Table, vendor: str) -> str:
    parts = [part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part]
    return ".".join(part.name if part.args.get("quoted") else _folded(part.name, vendor) for part in parts)


def _folded(name: str, vendor: str) -> str:
    return name.lower() if vendor == "postgresql" else name
