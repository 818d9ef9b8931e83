"""Procedures and functions: how each engine finds and calls them. Text in, text out; `Database.call` sends it."""

# ruff: noqa: S608 - names are found in the catalogue of the database and quoted, values are parameters

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.toolkit.database import BadStatement

Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_NAME = re.compile(r"[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)?")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

_POSTGRESQL = """
SELECT n.nspname, p.proname, p.prokind = 'p', p.proretset, p.prorettype = 'void'::regtype,
       coalesce(p.proargmodes::text[], array_fill('i'::text, ARRAY[p.pronargs::int])), p.pronargdefaults::int
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname IN (%s, %s) AND (n.nspname = %s OR (%s = '' AND pg_function_is_visible(p.oid)))
ORDER BY p.proname = %s DESC
"""
_SQL_SERVER = """
SELECT SCHEMA_NAME(o.schema_id), o.name, RTRIM(o.type), p.name, p.is_output, TYPE_NAME(p.user_type_id), p.max_length,
       p.precision, p.scale
FROM sys.objects o LEFT JOIN sys.parameters p ON p.object_id = o.object_id AND p.parameter_id > 0
WHERE o.object_id = OBJECT_ID(%s) AND o.type IN ('P', 'PC', 'FN', 'FS', 'IF', 'TF', 'FT') ORDER BY p.parameter_id
"""
#: Types of SQL Server whose length is part of them, and how many bytes a character takes.
_SIZED = {"varchar": 1, "char": 1, "varbinary": 1, "binary": 1, "nvarchar": 2, "nchar": 2}


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that calls a routine."""

    sql: str
    params: Sequence[Any] = field(default_factory=list)
    out_is_last: bool = False
    """The last result set is one row: the out parameters."""
    has_rows: bool = True
    """Whether there are result sets beside it."""


def call_of(vendor: str, alias: str, routine: str, args: Sequence[Any], ask: Ask) -> Call:
    """How to call `routine`; `ask` queries the database. Raises `BadStatement` where there is none that fits."""
    if not _NAME.fullmatch(routine):
        raise BadStatement(f'"{routine}" is no name of a routine; write name or schema.name.')
    match vendor:
        case "postgresql":
            found = _of_postgresql(routine, args, ask)
        case "microsoft":
            found = _of_sql_server(routine, args, ask)
        case _:
            return Call(f"SELECT {routine}({_places(len(args))}) AS value", args)
    if found is None:
        raise BadStatement(f'The database "{alias}" has no routine "{routine}" that takes {_arguments(len(args))}.')
    return found


def _of_postgresql(routine: str, args: Sequence[Any], ask: Ask) -> Call | None:
    schema, _, name = routine.rpartition(".")
    for found_schema, found, is_procedure, is_set, is_void, modes, defaults in ask(
        _POSTGRESQL, [name, name.lower(), schema, schema, name]
    ):
        incoming = [mode for mode in modes if mode in "ibv"]
        fewest = len(incoming) - defaults - ("v" in incoming)
        if not fewest <= len(args) or (len(args) > len(incoming) and "v" not in incoming):
            continue
        full = ".".join(part if _PLAIN.fullmatch(part) else f'"{part}"' for part in (found_schema, found))
        full = full if schema or found_schema != "public" else full.partition(".")[2]
        has_out = any(mode in "ob" for mode in modes)
        if not is_procedure:
            sql = f"SELECT * FROM {full}({_places(len(args))})"
            return Call(sql, args, out_is_last=has_out and not is_set, has_rows=not is_void and (is_set or not has_out))
        # Places of out parameters have to be filled, with anything.
        places, left = [], len(args)
        for mode in modes:
            if mode == "o":
                places.append("NULL")
            elif left:
                places.append("%s")
                left -= 1
        places += ["%s"] * left
        return Call(f"CALL {full}({', '.join(places)})", args, out_is_last=has_out, has_rows=False)
    return None


def _of_sql_server(routine: str, args: Sequence[Any], ask: Ask) -> Call | None:
    rows = ask(_SQL_SERVER, [routine])
    if not rows:
        return None
    schema, name, kind = rows[0][:3]
    full = f"[{schema}].[{name}]"
    if kind in ("IF", "TF", "FT"):
        return Call(f"SELECT * FROM {full}({_places(len(args))})", args)
    if kind in ("FN", "FS"):
        return Call(f"SELECT {full}({_places(len(args))}) AS value", args)
    parameters = [row[3:] for row in rows if row[3]]
    incoming = [each[0] for each in parameters if not each[1]]
    if len(args) > len(incoming):
        return None
    outgoing = [(each[0], _type(*each[2:])) for each in parameters if each[1]]
    declared = ["@dc_returned int", *(f"@dc_out{number} {kind}" for number, (_, kind) in enumerate(outgoing))]
    given = [f"{parameter} = %s" for parameter in incoming[: len(args)]]
    given += [f"{parameter} = @dc_out{number} OUTPUT" for number, (parameter, _) in enumerate(outgoing)]
    said = ["@dc_returned AS return_value"]
    said += [f"@dc_out{number} AS [{parameter.lstrip('@')}]" for number, (parameter, _) in enumerate(outgoing)]
    sql = (
        f"SET NOCOUNT ON; DECLARE {', '.join(declared)}; "
        f"EXEC @dc_returned = {full} {', '.join(given)}; SELECT {', '.join(said)}"
    )
    return Call(sql, args, out_is_last=True)


def _type(name: str, length: int, precision: int, scale: int) -> str:
    """The type of a parameter, as it is declared."""
    if name in _SIZED:
        return f"{name}({'max' if length == -1 else length // _SIZED[name]})"
    if name in ("decimal", "numeric"):
        return f"{name}({precision}, {scale})"
    return f"{name}({scale})" if name in ("datetime2", "datetimeoffset", "time") else name


def _places(count: int) -> str:
    return ", ".join(["%s"] * count)


def _arguments(count: int) -> str:
    return "one argument" if count == 1 else f"{count or 'no'} arguments"
