"""SQL Server, by mssql-django; its packages are extra (docs/databases.md)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from apps.databases.connectors.base import BaseDBConnector, Found

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

#: Microsoft's driver takes longer than others to find out that nobody is there.
CONNECT_TIMEOUT_S = 15

_ENCRYPTION = {
    "PREFER": "Encrypt=optional;TrustServerCertificate=yes",
    "REQUIRE": "Encrypt=yes;TrustServerCertificate=yes",
    "VERIFY": "Encrypt=yes;TrustServerCertificate=no",
}


class MSSQLConnector(BaseDBConnector):
    engine = "mssql"
    title = "SQL Server"
    django_engine = "mssql"
    allowed_options = frozenset({"driver", "extra_params", "host_is_server", "query_timeout"})

    def problems(self) -> dict[str, str]:
        found = super().problems()
        if find_spec("mssql") is None:
            found["engine"] = "SQL Server needs the package mssql-django and an ODBC driver (docs/databases.md)."
        return found

    def driver_options(self) -> dict[str, Any]:
        row = self.connection
        extra = [_ENCRYPTION[row.tls]]
        if row.ca_file:
            extra.append(f"ServerCertificate={row.ca_file}")
        if row.is_read_only:
            extra.append("ApplicationIntent=ReadOnly")
        if further := str(row.options.get("extra_params", "")):
            extra.append(further)
        return {
            "driver": "ODBC Driver 18 for SQL Server",
            "connection_timeout": CONNECT_TIMEOUT_S,
            "connection_retries": 0,
            "extra_params": ";".join(extra),
        }

    def django_settings(self) -> dict[str, Any]:
        entry = super().django_settings()
        # Those of the row stand beside ours, not in their place.
        entry["OPTIONS"]["extra_params"] = self.driver_options()["extra_params"]
        if self.connection.auth == self.connection.Auth.INTEGRATED:
            entry["USER"] = ""
            entry["Trusted_Connection"] = "yes"
        else:
            entry["Trusted_Connection"] = "no"
        return entry

    def found(self, cursor: CursorWrapper) -> Found:
        cursor.execute(
            "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),"
            " CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)),"
            " HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE'),"
            " (SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID)"
        )
        version, updateability, may_create, encryption = cursor.fetchone()
        return Found(
            version=f"SQL Server {version}",
            can_write=updateability == "READ_WRITE" and bool(may_create) and not self.connection.is_read_only,
            is_encrypted=encryption == "TRUE",
        )

    def reason(self, said: str, code: str) -> str:
        row = self.connection
        by_text = {
            "Login failed for user": f'The server refuses user "{row.user}" with this password.',
            "Cannot open database": f'"{row.name}" on {self.place} does not exist, or "{row.user}" may not open it.',
            "Can't open lib": "The ODBC driver is not installed on this machine (docs/databases.md).",
            "Data source name not found": "The ODBC driver is not installed on this machine (docs/databases.md).",
            "certificate has expired": f"The certificate of {self.place} has expired.",
            "certificate verify failed": f"The certificate of {self.place} is not from an authority trusted here.",
            "read-only": f'Connection "{row.alias}" is read only.',
            "Login timeout expired": f"{self.place} did not answer within {CONNECT_TIMEOUT_S} seconds.",
            "HYT00": f"{self.place} did not answer within {CONNECT_TIMEOUT_S} seconds.",
            "connection refused": f"Nobody answers at {self.place}.",
        }
        return next((sentence for text, sentence in by_text.items() if text.lower() in said.lower()), "")
