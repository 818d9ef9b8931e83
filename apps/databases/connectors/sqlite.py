"""SQLite: a file on this machine."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.db import DatabaseError

from apps.databases.connectors.base import BaseDBConnector, Found

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper


class SQLiteConnector(BaseDBConnector):
    engine = "sqlite"
    title = "SQLite"
    django_engine = "django.db.backends.sqlite3"
    allowed_options = frozenset({"timeout"})
    needs_host = False

    def problems(self) -> dict[str, str]:
        found = super().problems()
        if not Path(self.connection.name).is_absolute():
            found["name"] = "Write the absolute path of the file."
        return found

    def driver_options(self) -> dict[str, Any]:
        # IMMEDIATE takes the write lock where a transaction begins: one that is upgraded later fails at once.
        options: dict[str, Any] = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
        if self.connection.is_read_only:
            return {"timeout": 20, "uri": True}
        return options | {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}

    def django_settings(self) -> dict[str, Any]:
        entry = super().django_settings()
        if self.connection.is_read_only:
            entry["NAME"] = f"file:{quote(self.connection.name)}?mode=ro"
        return entry

    def found(self, cursor: CursorWrapper) -> Found:
        can_write = not self.connection.is_read_only
        if can_write:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute("ROLLBACK")
            except DatabaseError as error:
                if "readonly" not in str(error):
                    raise
                can_write = False
        return Found(version=f"SQLite {sqlite3.sqlite_version}", can_write=can_write)

    def reason(self, said: str, code: str) -> str:
        path = Path(self.connection.name)
        if "unable to open database file" in said:
            if not path.parent.is_dir():
                return f"There is no folder {path.parent}."
            return f"{path} cannot be opened: it is missing, or its permissions do not allow it."
        by_text = {
            "file is not a database": f"{path} is not a SQLite database.",
            "readonly database": f"{path} can only be read.",
            "database is locked": f"{path} is locked by another process.",
        }
        return next((sentence for text, sentence in by_text.items() if text in said), "")
