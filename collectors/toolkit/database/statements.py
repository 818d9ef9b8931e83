"""Statements before they are sent: one at a time, no transactions by hand, a value for each placeholder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from collectors.toolkit.database.errors import BadStatement

#: Values by their order, or by their names.
Params = Sequence[Any] | Mapping[str, Any]

_TOKEN = re.compile(
    r"""(?P<quoted> --[^\n]* | /\*.*?\*/ | [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
        | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag) )
      | (?P<end> ; ) | (?P<placeholder> %s | %\(\w+\)s ) | (?P<word> [A-Za-z_]+ ) | (?P<other> \S )""",
    re.DOTALL | re.VERBOSE,
)
_PERCENT = re.compile(r"%(?:\((\w+)\)s|(.?))", re.DOTALL)
_CONTROL = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})
_READS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "PRAGMA", "DESCRIBE"})
_SHOWN = 80


def checked(sql: str, *, reading: bool = False) -> str:
    """The first word of a statement, in capitals. Raises `BadStatement` for what a session does not take.

    `reading`: nothing that writes is taken.
    """
    first, ended = "", False
    for token in _TOKEN.finditer(sql):
        kind = token.lastgroup
        if kind in ("quoted", "tag"):
            continue
        if ended:
            raise BadStatement(f"Send one statement at a time; this is more than one: {shown(sql)}")
        ended = kind == "end"
        first = first or (token[0].upper() if kind == "word" else "")
    if not first:
        raise BadStatement(f"This is no statement: {shown(sql)}")
    if first in _CONTROL:
        raise BadStatement(f"{first} is not sent by hand: a transaction begins and ends by `with database.session():`.")
    if reading and first not in _READS:
        raise BadStatement(f"query() reads; {first} takes execute(), or query() within a session: {shown(sql)}")
    return first


def bound(sql: str, params: Params | None, *, positional: bool = False) -> tuple[str, Params | None]:
    """The statement and its values, checked against each other. `positional` turns names into `%s`."""
    if params is None:
        if any(token.lastgroup == "placeholder" for token in _TOKEN.finditer(sql)):
            raise BadStatement(f"The statement has placeholders and was given no values: {shown(sql)}")
        return sql, None
    if isinstance(params, (str, bytes)) or not isinstance(params, (Sequence, Mapping)):
        raise BadStatement(f"Values are given as a list or a dict, not as a {type(params).__name__}: {shown(sql)}")
    names = _names(sql)
    if isinstance(params, Mapping):
        return _by_name(sql, names, params, positional=positional)
    if any(names):
        raise BadStatement(f"The statement names its values, and was given a list: {shown(sql)}")
    if len(names) != len(params):
        raise BadStatement(f"The statement has {len(names)} placeholders, and was given {len(params)}: {shown(sql)}")
    return sql, list(params)


def shown(sql: str) -> str:
    """The beginning of a statement, for people."""
    text = " ".join(sql.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _names(sql: str) -> list[str]:
    """The name of each placeholder, "" for `%s`."""
    names = []
    for match in _PERCENT.finditer(sql):
        if match[1]:
            names.append(match[1])
        elif match[2] == "s":
            names.append("")
        elif match[2] != "%":
            raise BadStatement(f"Beside values a percent sign is written %%: {shown(sql)}")
    return names


def _by_name(sql: str, names: list[str], params: Mapping[str, Any], *, positional: bool) -> tuple[str, Params]:
    if "" in names:
        raise BadStatement(f"The statement has %s, and was given values by name: {shown(sql)}")
    if missing := sorted(set(names) - set(params)):
        raise BadStatement(f"There is no value for {', '.join(missing)}: {shown(sql)}")
    if not positional:
        return sql, dict(params)
    return _PERCENT.sub(lambda match: "%s" if match[1] else match[0], sql), [params[name] for name in names]
