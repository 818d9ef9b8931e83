"""mssql-django's backend: nobody waits for ever, certificates are checked, and read only means read only.

Loaded by Django by its name in DATABASES; only an installation with the extra `mssql` has what it imports.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, OperationalError
from mssql import base
from sqlglot.dialects.tsql import TSQL

from apps.databases.connectors.tds_greeting import NotGreeted, Place, greet
from apps.databases.engines.sqlserver.errors import plain

#: Held while the environment names a configuration of FreeTDS.
_configuring = threading.Lock()

#: Kinds of words that a statement may begin with on a read only connection, and that may be nowhere in it.
_READING = frozenset({"SELECT", "WITH", "L_PAREN", "SET", "DECLARE", "BEGIN", "COMMIT", "ROLLBACK"})
_WRITING = frozenset({
    "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "EXECUTE", "INTO", "GRANT", "REVOKE",
    "COMMAND",
})  # fmt: skip


#: SQLSTATE
AWAY, LOGIN_REFUSED = "08001", "28000"


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """OPTIONS may say `read_only`, and `ca_file` for FreeTDS: certificates to check the server's against."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(_in_plain_words)
        if self.settings_dict["OPTIONS"].get("read_only"):
            self.execute_wrappers.append(self._refuse_writes)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises `OperationalError` within the time to connect, whatever the driver would do."""
        options = conn_params["OPTIONS"]
        place = Place(conn_params["HOST"], int(conn_params["PORT"]) if conn_params["PORT"] else None)
        if place.is_plain:
            try:
                greet(place, options["connection_timeout"])
            except NotGreeted as error:
                raise _not_connected(str(error), AWAY) from None
        try:
            if "ca_file" not in options:
                return super().get_new_connection(conn_params)
            with _configured(place, options["ca_file"]) as name:
                return super().get_new_connection(
                    conn_params | {"HOST": name, "PORT": "", "OPTIONS": options | {"host_is_server": False}}
                )
        except self.Database.Error as error:
            said = plain(str(error))
            raise _not_connected(said, LOGIN_REFUSED if "Login failed" in said else AWAY) from error

    def _refuse_writes(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        # SQL Server itself knows no session that cannot write.
        if _writes(sql):
            raise DatabaseError(f'Connection "{self.alias}" is read only.')
        return execute(sql, params, many, context)


def _not_connected(said: str, state: str) -> OperationalError:
    """With the code of the standard: FreeTDS has the same one for a wrong password and a wrong statement."""
    error: Any = OperationalError(said)
    error.sqlstate = state
    return error  # type: ignore[no-any-return]


def _in_plain_words(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        raise type(error)(plain(str(error))) from error.__cause__


@lru_cache(maxsize=1000)
def _writes(sql: str) -> bool:
    """Whether a statement could change something; a procedure could."""
    words = [token.token_type.name for token in TSQL().tokenize(sql)]
    begins_well = not words or words[0] in _READING or sql.lstrip().upper().startswith("SAVE TRAN")
    return not begins_well or not _WRITING.isdisjoint(words)


@contextmanager
def _configured(place: Place, ca_file: str) -> Iterator[str]:
    """A name by which FreeTDS finds the server, and checks its certificate: that can be said in its file alone."""
    lines = (
        *("[dc_server]", f"host = {place.host}", "tds version = 7.4", "encryption = require"),
        *(f"ca file = {ca_file}", "check certificate hostname = yes"),
        *([f"port = {place.port}"] if place.port else []),
    )
    with _configuring, tempfile.NamedTemporaryFile("w", prefix="dc-freetds-", suffix=".conf") as file:
        file.write("\n".join((*lines, "")))
        file.flush()
        before = os.environ.get("FREETDSCONF")
        os.environ["FREETDSCONF"] = file.name
        try:
            yield "dc_server"
        finally:
            if before is None:
                del os.environ["FREETDSCONF"]
            else:
                os.environ["FREETDSCONF"] = before
