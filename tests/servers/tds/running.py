"""Statements run, and answered with results and with the errors of SQL Server."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.servers.tds import values, wire
from tests.servers.tds.database import open_database, stored
from tests.servers.tds.dialect import NotUnderstood, Statement, statements

if TYPE_CHECKING:
    from tests.servers.tds.server import Standin

BEGUN, COMMITTED, ROLLED_BACK = 8, 9, 10
#: What drivers ask about types before they send a parameter: by number of ODBC, name and size.
TYPES = {12: ("varchar", 8000), -9: ("nvarchar", 4000), -3: ("varbinary", 8000), 93: ("datetime2", 27)}


class Refused(Exception):
    """An error for the client."""

    def __init__(self, number: int, message: str, severity: int = 16, ahead: bytes = b"") -> None:
        super().__init__(message)
        self.tokens = ahead + wire.error(number, message, severity)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one statement brought: rows, or how many were changed."""

    names: list[str]
    rows: list[Any]
    count: int = -1

    def tokens(self, flags: int, kind: int) -> bytes:
        said = b""
        if self.names:
            columns = [values.column(name, [row[place] for row in self.rows]) for place, name in enumerate(self.names)]
            said = wire.columns(columns) + b"".join(wire.row(columns, row) for row in self.rows)
        counted = wire.COUNTED if self.count >= 0 else 0
        return said + wire.done(flags | counted, max(self.count, 0), kind)


class Runner:
    """The database of a session, and its transaction."""

    def __init__(self, standin: Standin, name: str, *, session: Any, is_encrypted: bool) -> None:
        self.standin, self.session = standin, session
        self.name, self.is_read_only = name, name in standin.read_only
        self.depth, self.is_silent, self.is_implicit = 0, False, False
        self.identity: int | None = None
        facts = {
            "session_spid": lambda: session.number,
            "session_trancount": lambda: self.depth,
            "session_encryption": lambda: "TRUE" if is_encrypted else "FALSE",
            "SCOPE_IDENTITY": lambda: self.identity,
        }
        self.line = open_database(standin.folder / f"{name}.sqlite", is_read_only=self.is_read_only, facts=facts)

    def close(self) -> None:
        self._unlock()
        self.line.close()

    def run(self, batch: str, params: Mapping[str, Any]) -> Iterator[Answer]:
        """Each statement of a batch. A batch with parameters is a scope: its temporary tables go with it."""
        self.standin.asked.append(batch)
        before = self._temporary() if params else set()
        if failure := self.standin.failure_of(batch):
            raise self._failed(*failure)
        named = {name: stored(value) for name, value in params.items()}
        try:
            for statement in statements(batch):
                if (answer := self._one(statement, named)) is not None:
                    yield answer
        except NotUnderstood as error:
            raise Refused(102, f"Incorrect syntax near '{error}'.", 15) from None
        except sqlite3.Error as error:
            raise self._translated(error) from None
        finally:
            self.is_silent = False
            for table in self._temporary() - before if params else ():
                self.line.execute(f'DROP TABLE temp."{table}"')

    def control(self, kind: str, name: str = "") -> bytes:
        """A step of a transaction; returns what the client is told of it."""
        if kind == "begin":
            self.depth += 1
            if self.depth == 1:
                self.line.execute("BEGIN")
            return wire.transaction_changed(BEGUN, self.session.number)
        if kind == "save":
            self.line.execute(f'SAVEPOINT "{name}"')
            return b""
        if kind == "back":
            self.line.execute(f'ROLLBACK TO "{name}"')
            return b""
        if self.depth == 0:
            number, word = (3902, "COMMIT") if kind == "commit" else (3903, "ROLLBACK")
            raise Refused(number, f"The {word} TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.depth = self.depth - 1 if kind == "commit" else 0
        if self.depth:
            return b""
        return self._end(kind)

    def _end(self, kind: str) -> bytes:
        try:
            self.line.execute("COMMIT" if kind == "commit" else "ROLLBACK")
        except sqlite3.Error as error:
            raise self._translated(error) from None
        self._unlock()
        return wire.transaction_changed(COMMITTED if kind == "commit" else ROLLED_BACK, self.session.number)

    def _one(self, statement: Statement, params: dict[str, Any]) -> Answer | None:
        match statement.kind:
            case "nothing":
                return None
            case "nocount":
                self.is_silent = statement.values["value"].upper() == "ON"
                return None
            case "implicit":
                self.is_implicit = statement.values["value"].upper() == "ON"
                return None
            case "declare":
                params[statement.values["name"][1:]] = params[statement.values["value"][1:]]
                return None
            case "database":
                name, held = statement.values["name"], self.standin.databases
                held.add(name) if statement.values["verb"].upper() == "CREATE" else held.discard(name)
                return None
            case "types":
                name, size = TYPES[int(statement.values["type"])]
                return Answer(["TYPE_NAME", "DATA_TYPE", "PRECISION"], [(name, int(statement.values["type"]), size)], 1)
            case "lock":
                return self._lock(statement, params)
            case "drop":
                table = statement.values["table"].strip("[]")
                return self._execute(Statement("change", f'DROP TABLE "{table}"'), params)
            case "begin" | "commit" | "rollback" | "save" | "back":
                self.control(statement.kind, (statement.values.get("name") or "").strip("[]"))
                return None
        return self._execute(statement, params)

    def _execute(self, statement: Statement, params: dict[str, Any]) -> Answer | None:
        if self.is_read_only and statement.kind == "change" and "temp" not in statement.sql.lower():
            message = f'Failed to update database "{self.name}" because the database is read-only.'
            raise Refused(3906, message)
        if self.is_implicit and self.depth == 0:
            self.control("begin")
        cursor = self.line.execute(statement.sql, params)
        rows = cursor.fetchall()
        if statement.sql.startswith("INSERT"):
            self.identity = rows[0][0] if rows else self.line.execute("SELECT last_insert_rowid()").fetchone()[0]
        if statement.kind == "answer":
            return Answer([name[0] for name in cursor.description], rows, len(rows))
        return None if self.is_silent else Answer([], [], max(cursor.rowcount, 0))

    def _lock(self, statement: Statement, params: Mapping[str, Any]) -> Answer:
        """sp_getapplock, exclusive and of a transaction."""
        if self.depth == 0:
            raise Refused(15002, "The procedure 'sys.xp_userlock' cannot be executed outside of a transaction.")
        written = statement.values["resource"]
        resource = str(params[written[1:]]) if written.startswith("@") else written.lstrip("N").strip("'")
        until = time.monotonic() + int(statement.values["timeout"]) / 1000
        locks, mine = self.standin.locks, self.session
        with self.standin.unlocked:
            free = self.standin.unlocked.wait_for(
                lambda: locks.get(resource, mine) is mine, max(until - time.monotonic(), 0)
            )
            if free:
                locks[resource] = mine
        return Answer([""], [(0 if free else -1,)], 1)

    def _unlock(self) -> None:
        with self.standin.unlocked:
            for resource in [name for name, holder in self.standin.locks.items() if holder is self.session]:
                del self.standin.locks[resource]
            self.standin.unlocked.notify_all()

    def _temporary(self) -> set[str]:
        return {name for (name,) in self.line.execute("SELECT name FROM temp.sqlite_master WHERE type = 'table'")}

    def _failed(self, number: int, message: str) -> Refused:
        """A deadlock takes the transaction with it, as the server does."""
        ahead = b""
        if number == 1205 and self.depth:
            self.depth, ahead = 0, self._end("rollback")
        return Refused(number, message, 13 if number == 1205 else 16, ahead)

    def _translated(self, error: sqlite3.Error) -> Refused:
        said = str(error)
        if "locked" in said:
            return self._failed(1205, "Transaction was deadlocked and has been chosen as the deadlock victim.")
        by_text = {
            "UNIQUE constraint failed": (2601, "Cannot insert duplicate key row in object with unique index."),
            "NOT NULL constraint failed": (515, "Cannot insert the value NULL into column."),
            "CHECK constraint failed": (547, "The statement conflicted with the CHECK constraint."),
        }
        for text, (number, message) in by_text.items():
            if text in said:
                return Refused(number, f"{message} ({said})")
        if missing := re.match(r"no such table: (.*)", said):
            return Refused(208, f"Invalid object name '{missing[1]}'.")
        if missing := re.match(r"no such column: (.*)", said):
            return Refused(207, f"Invalid column name '{missing[1]}'.")
        return Refused(50000, said)
