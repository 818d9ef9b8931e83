"""What a database says when it refuses, as one of the errors that sources know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError as DjangoDatabaseError
from django.db import IntegrityError, InterfaceError, OperationalError, connections

from apps.databases.connectors import CONNECTORS
from apps.databases.models import Connection
from collectors.toolkit.database import (
    BadStatement,
    ConstraintViolated,
    DatabaseAway,
    DatabaseBusy,
    DatabaseError,
    LoginRefused,
    ReadOnlyDatabase,
)
from collectors.toolkit.database.statements import shown

#: The beginning of an SQLSTATE -> the error; the longest that fits counts.
_BY_CODE: dict[str, type[DatabaseError]] = {
    "08": DatabaseAway, "53": DatabaseAway, "57": DatabaseAway, "40": DatabaseBusy, "55P03": DatabaseBusy,
    "28": LoginRefused, "25006": ReadOnlyDatabase, "23": ConstraintViolated,
    "0A": BadStatement, "21": BadStatement, "22": BadStatement, "25": BadStatement, "26": BadStatement,
    "2D": BadStatement, "34": BadStatement, "42": BadStatement,
}  # fmt: skip
#: Words of a driver that gives no code, as while it connects. The first that is found counts.
_BY_WORDS: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("password|pg_hba|login failed", LoginRefused),
    ("readonly database|read-only", ReadOnlyDatabase),
    ("locked|busy|deadlock", DatabaseBusy),
    ("no such table|no such column|no such function|syntax error|may not|incomplete input", BadStatement),
    ("refused|timeout|timed out|resolve|translate|unreachable|closed|reset|terminat|name or service", DatabaseAway),
)
_ABORTED = "An earlier statement of this session failed, so the session stores nothing; within a session of its own a "
_ABORTED += "statement may fail alone."


@contextmanager
def explained(alias: str, sql: str = "") -> Iterator[None]:
    """Errors of Django and of the driver become those of `collectors.toolkit.database`."""
    try:
        yield
    except (DjangoDatabaseError, InterfaceError) as error:
        told = tell(alias, error, sql)
        if isinstance(told, DatabaseAway):
            raise told from error
        # The driver knows less than we do by now: its error would pass for a database that is away.
        raise told from None
    except SynchronousOnlyOperation:
        raise DatabaseError(
            f'The database "{alias}" is asked within an event loop, which would stand still: '
            "write await asyncio.to_thread(...) around it."
        ) from None


def tell(alias: str, error: BaseException, sql: str = "") -> DatabaseError:
    """The error as sources know it."""
    code = _code(error)
    text = str(error).strip()
    kind = _kind(error, code, text)
    if code == "25P02":
        return BadStatement(f'The database "{alias}": {_ABORTED}')
    what = f" ({shown(sql)})" if sql and issubclass(kind, (BadStatement, ConstraintViolated)) else ""
    return kind(f'The database "{alias}": {_sentence(alias, error).rstrip(".")}{what}.')


def _kind(error: BaseException, code: str, text: str) -> type[DatabaseError]:
    for length in (5, 2):
        if found := _BY_CODE.get(code[:length]):
            return found
    if isinstance(error, IntegrityError):
        return ConstraintViolated
    for words, found in _BY_WORDS:
        if re.search(words, text, re.IGNORECASE):
            return found
    if isinstance(error, InterfaceError):
        return DatabaseAway
    return DatabaseError if isinstance(error, OperationalError) else BadStatement


def _code(error: BaseException | None) -> str:
    """The SQLSTATE, where the driver says one: psycopg as an attribute, ODBC as its first word."""
    while error is not None:
        state = getattr(error, "sqlstate", None) or (error.args[0] if error.args else "")
        if isinstance(state, str) and re.fullmatch("[0-9A-Z]{5}", state):
            return state
        error = error.__cause__
    return ""


def _sentence(alias: str, error: BaseException) -> str:
    connector = CONNECTORS.get({"microsoft": "mssql"}.get(vendor := connections[alias].vendor, vendor))
    if connector is None:
        return str(error).strip().partition("\n")[0]
    return connector(_row(alias, vendor)).explain(error)


def _row(alias: str, vendor: str) -> Connection:
    """The row of a connection, put together from its settings: those of `data` have none."""
    entry: dict[str, Any] = connections[alias].settings_dict
    port = str(entry["PORT"])
    return Connection(
        alias=alias, engine=vendor, name=str(entry["NAME"]), host=entry["HOST"], user=entry["USER"],
        port=int(port) if port.isdigit() else None, password=entry["PASSWORD"],
        ca_file=entry["OPTIONS"].get("sslrootcert", "").replace("system", ""),
    )  # fmt: skip
