"""Transact-SQL into statements of SQLite, by sqlglot. What sqlglot cannot parse is a syntax error here as well."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

CATALOGUES = ("sys", "information_schema")


class NotUnderstood(Exception):
    """A statement that is no Transact-SQL, or none that is served here."""


class Generator(SQLite.Generator):  # type: ignore[misc, valid-type]
    """Keeps the types apart that a client is to see again."""

    TYPE_MAPPING = {
        **SQLite.Generator.TYPE_MAPPING,
        exp.DataType.Type.DECIMAL: "NUMERIC",
        exp.DataType.Type.DATETIME2: "DATETIME2",
        exp.DataType.Type.TIMESTAMPTZ: "DATETIMEOFFSET",
        exp.DataType.Type.BIT: "BIT",
    }


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a batch: what it is, its SQL for SQLite, or the values that matter."""

    kind: str
    sql: str = ""
    values: dict[str, Any] = field(default_factory=dict)


#: Statements of mssql-django, of the merge and of drivers that are more than one step, told by their beginnings.
LOCK = (
    r"SET NOCOUNT ON; DECLARE @granted int; EXEC @granted = sp_getapplock @Resource = (?P<resource>@\w+|N?'[^']*'), .*"
    r"@LockTimeout = (?P<timeout>\d+); SELECT @granted"
)
DROP = r"\s*DECLARE @sql_foreign_constraint_name.*DROP TABLE (?P<table>\S+)\s*"
WHOLE = ((re.compile(LOCK, re.DOTALL), "lock"), (re.compile(DROP, re.DOTALL), "drop"))
CONTROL = (
    (re.compile(r"\s*(?P<verb>CREATE|DROP) DATABASE \[(?P<name>\w+)\]\s*", re.IGNORECASE), "database"),
    (re.compile(r"\s*ALTER DATABASE .* SINGLE_USER .*", re.IGNORECASE), "nothing"),
    (re.compile(r"\s*BEGIN TRAN(SACTION)?\s*", re.IGNORECASE), "begin"),
    (re.compile(r"\s*(IF @@TRANCOUNT > 0\s+)?COMMIT( TRAN(SACTION)?)?\s*", re.IGNORECASE), "commit"),
    (re.compile(r"\s*SAVE TRAN(SACTION)? (?P<name>\S+)\s*", re.IGNORECASE), "save"),
    (re.compile(r"\s*ROLLBACK TRAN(SACTION)? (?P<name>\S+)\s*", re.IGNORECASE), "back"),
    (re.compile(r"\s*(IF @@TRANCOUNT > 0\s+)?ROLLBACK( TRAN(SACTION)?)?\s*", re.IGNORECASE), "rollback"),
    (re.compile(r"\s*SET NOCOUNT (?P<value>ON|OFF)\s*", re.IGNORECASE), "nocount"),
    (re.compile(r"\s*SET IMPLICIT_TRANSACTIONS (?P<value>ON|OFF)\s*", re.IGNORECASE), "implicit"),
    (re.compile(r"\s*sp_datatype_info(_100)? (?P<type>-?\d+),.*"), "types"),
    (re.compile(r"\s*(SET|USE|DBCC) .*", re.IGNORECASE | re.DOTALL), "nothing"),
    (re.compile(r"\s*DECLARE (?P<name>@\w+) [\w()]+ = (?P<value>@\w+)\s*", re.IGNORECASE), "declare"),
)  # fmt: skip
SETTINGS = re.compile(r"(SET NOCOUNT ON)\s+(?=INSERT|SELECT|MERGE)", re.IGNORECASE)


def statements(batch: str) -> Iterator[Statement]:
    """What a batch asks for, in its order. Raises `NotUnderstood`."""
    for pattern, kind in WHOLE:
        if found := pattern.fullmatch(batch):
            yield Statement(kind, values=found.groupdict())
            return
    for text in pieces(batch):
        yield _statement(text)


def pieces(batch: str) -> Iterator[str]:
    """The statements of a batch: at semicolons outside of quotes, and after the settings that stand before them."""
    piece = ""
    for part in re.split(r"('(?:[^']|'')*'|\[[^\]]*\]|\"[^\"]*\"|;)", SETTINGS.sub(r"\1;", batch)):
        if part != ";":
            piece += part
            continue
        yield from filter(None, [piece.strip()])
        piece = ""
    yield from filter(None, [piece.strip()])


@functools.lru_cache(maxsize=1000)
def _statement(text: str) -> Statement:
    for pattern, kind in CONTROL:
        if found := pattern.fullmatch(text):
            return Statement(kind, values=found.groupdict())
    try:
        parsed = sqlglot.parse(text, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise NotUnderstood(str(error).partition("\n")[0]) from None
    if len(parsed) != 1 or parsed[0] is None or isinstance(parsed[0], exp.Command):
        raise NotUnderstood(text[:80])
    tree = parsed[0].transform(_rewritten)
    kind = "answer" if isinstance(tree, exp.Query) or tree.find(exp.Returning) else "change"
    return Statement("change" if tree.find(exp.Into) else kind, Generator(dialect="sqlite").generate(tree))


def _rewritten(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Table) and node.text("db").lower() in CATALOGUES:
        name = f"{node.text('db')}_{node.name}".lower()
        return exp.alias_(exp.to_table(name), node.alias, table=True) if node.alias else exp.to_table(name)
    if isinstance(node, exp.Table) and node.args.get("hints"):
        node.set("hints", None)
    if isinstance(node, exp.Column) and node.table.upper() == "INSERTED":
        return exp.column(node.this.copy())
    if isinstance(node, exp.SessionParameter) or (
        isinstance(node, exp.Parameter) and isinstance(node.this, exp.Parameter)
    ):
        return exp.Anonymous(this=f"session_{node.name or node.this.name}".lower())
    if isinstance(node, exp.CurrentSchema):
        return exp.Literal.string("dbo")
    if isinstance(node, exp.CurrentTimestamp):
        now = exp.Anonymous(this="sysdatetime")
        # The name of a column may tell its type (`detect_types` of sqlite3).
        return exp.alias_(now, "now [DATETIME2]", quoted=True) if isinstance(node.parent, exp.Select) else now
    if isinstance(node, exp.DataType) and node.this in exp.DataType.TEXT_TYPES:
        return exp.DataType.build("text")
    if isinstance(node, exp.National):
        return exp.Literal.string(node.this)
    return node
