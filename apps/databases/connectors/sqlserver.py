"""SQL Server, by mssql-django; its packages are extra (docs/databases.md)."""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import TYPE_CHECKING, Any

from apps.databases.connectors.base import CONNECT_TIMEOUT_S, BaseDBConnector, Found
from apps.databases.connectors.tds_greeting import NotGreeted, Place, greet
from apps.databases.engines.sqlserver.errors import plain

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

#: Debian's, free software; and the name that chooses the one in the package mssql-python, which is not.
FREE_DRIVER, PYTHON_DRIVER = "FreeTDS", "mssql-python"
COMMAND = "make install EXTRA=mssql"
MISSING_PACKAGES = f"SQL Server needs further packages: {COMMAND}"

_FREETDS = {
    "PREFER": {"Encryption": "request"},
    "REQUIRE": {"Encryption": "require"},
    "VERIFY": {"Encryption": "require"},
}
_MICROSOFT = {
    "PREFER": {"Encrypt": "optional", "TrustServerCertificate": "yes"},
    "REQUIRE": {"Encrypt": "yes", "TrustServerCertificate": "yes"},
    "VERIFY": {"Encrypt": "yes", "TrustServerCertificate": "no"},
}


class MSSQLConnector(BaseDBConnector):
    engine = "mssql"
    title = "SQL Server"
    django_engine = "apps.databases.engines.sqlserver"
    allowed_options = frozenset({"connect_timeout", "driver", "extra_params", "query_timeout", "server_spn"})

    @property
    def driver(self) -> str:
        """The name of the ODBC driver."""
        return str(self.connection.options.get("driver", FREE_DRIVER))

    @property
    def is_free_driver(self) -> bool:
        return self.driver == FREE_DRIVER

    def problems(self) -> dict[str, str]:
        found, row = super().problems(), self.connection
        if problem := _missing(self.driver):
            found["engine"] = problem
        if "options" not in found:
            found |= _wrong_options(row.options)
        if "{" in row.ca_file or ";" in row.ca_file:
            found["ca_file"] = "A path for this driver cannot hold ; or {."
        return found

    def driver_options(self) -> dict[str, Any]:
        row = self.connection
        options: dict[str, Any] = {
            "connection_timeout": row.options.get("connect_timeout", CONNECT_TIMEOUT_S),
            "connection_retries": 0,
            "extra_params": ";".join(f"{name}={value}" for name, value in self._line().items()),
            "host_is_server": True,
            "query_timeout": row.options.get("query_timeout", 0),
            "read_only": row.is_read_only,
        }
        if further := str(row.options.get("extra_params", "")):
            options["extra_params"] += f";{further}"
        if self.driver == PYTHON_DRIVER:
            options["python_driver"] = "mssql_python"
        else:
            options["driver"] = self.driver
        if self.is_free_driver and row.tls == row.Tls.VERIFY:
            options["ca_file"] = row.ca_file or "system"
        return options

    def _line(self) -> dict[str, str]:
        """What the connection string says beside host, port, database and user."""
        row = self.connection
        said = dict((_FREETDS if self.is_free_driver else _MICROSOFT)[row.tls])
        if row.ca_file and not self.is_free_driver:
            said["ServerCertificate"] = row.ca_file
        if row.auth == row.Auth.INTEGRATED and self.is_free_driver:
            said["Trusted_Connection"] = "yes"
        if spn := row.options.get("server_spn"):
            said["ServerSPN"] = str(spn)
        # Where there are copies of the database, one of them serves it.
        return said | ({"ApplicationIntent": "ReadOnly"} if row.is_read_only else {})

    def django_settings(self) -> dict[str, Any]:
        """Raises `ValueError` where the packages are not installed."""
        if problem := _missing(self.driver):
            raise ValueError(problem)
        entry = super().django_settings()
        # The names of the row are ours, not those of mssql-django.
        entry["OPTIONS"] = self.driver_options()
        is_integrated = self.connection.auth == self.connection.Auth.INTEGRATED
        return (
            entry | {"Trusted_Connection": "yes" if is_integrated else "no"} | ({"USER": ""} if is_integrated else {})
        )

    def found(self, cursor: CursorWrapper) -> Found:
        cursor.execute(
            "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),"
            " CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)),"
            " HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE')"
        )
        version, updateability, may_create = cursor.fetchone()
        return Found(
            version=f"SQL Server {version}",
            can_write=updateability == "READ_WRITE" and bool(may_create) and not self.connection.is_read_only,
            is_encrypted=_is_encrypted(cursor),
        )

    def reason(self, said: str, code: str) -> str:
        row = self.connection
        by_text = {
            "Cannot open database": f'"{row.name}" on {self.place} does not exist, or "{row.user}" may not open it.',
            "Login failed": self._refused,
            "Can't open lib": _missing_driver(self.driver),
            "Data source name not found": _missing_driver(self.driver),
            "libodbc": MISSING_PACKAGES,
            "is read only": f'Connection "{row.alias}" is read only.',
            "read-only": f'The database "{row.name}" on {self.place} is read only.',
            "(3906)": f'The database "{row.name}" on {self.place} is read only.',
            "(262)": f'"{row.user}" may not do this in "{row.name}" on {self.place}: {plain(said)}',
            "(1205)": "The database chose this transaction as the victim of a deadlock; try again.",
            "SSPI": self._no_ticket,
            "GSSAPI": self._no_ticket,
        }
        found = next((sentence for text, sentence in by_text.items() if text.lower() in said.lower()), "")
        if found == self._refused and row.auth == row.Auth.PASSWORD:
            return self._what_was_refused()
        if found:
            return found
        # The driver has no words for why there is no line, so it is tried once more by hand.
        is_line = any(
            mark in said for mark in ("Unable to connect", "TCP Provider", "SSL Provider", "expired", "20009")
        )
        problem = self._line_problem() if is_line else ""
        if is_line and not problem and row.auth == row.Auth.INTEGRATED:
            return self._no_ticket
        return problem or plain(said)

    @property
    def _refused(self) -> str:
        row = self.connection
        if row.auth == row.Auth.INTEGRATED:
            return f"{self.place} refuses the account of the platform's processes."
        return f'The server refuses user "{row.user}" with this password.'

    @property
    def _no_ticket(self) -> str:
        return f"The account of the platform's processes has no Kerberos ticket for {self.place} (kinit, keytab)."

    def _what_was_refused(self) -> str:
        """FreeTDS tells a wrong password and a database that is not there by the same words."""
        row = self.connection
        if not self.is_free_driver or row.name == "master":
            return self._refused
        try:
            base = import_module("mssql.base")
            entry = {"TIME_ZONE": None, **self.django_settings(), "NAME": "master"}
            base.DatabaseWrapper(entry, "refused").get_new_connection(entry).close()
        except Exception:  # noqa: BLE001 - whatever it is, the first error is the one to explain
            return self._refused
        return f'"{row.name}" on {self.place} does not exist, or "{row.user}" may not open it.'

    def _line_problem(self) -> str:
        row = self.connection
        place = Place(row.host, row.port)
        if not place.is_plain:
            return f"{self.place} cannot be reached."
        trusted = None
        try:
            if row.tls != row.Tls.PREFER:
                trusted = ssl.create_default_context(cafile=row.ca_file or None)
                if row.tls == row.Tls.REQUIRE:
                    trusted.check_hostname, trusted.verify_mode = False, ssl.CERT_NONE
            greet(place, CONNECT_TIMEOUT_S, trusted)
        except NotGreeted as error:
            return str(error)
        except OSError:
            return f"{row.ca_file} cannot be read, or holds no certificates."
        return ""


def _wrong_options(options: dict[str, Any]) -> dict[str, str]:
    for name in ("connect_timeout", "query_timeout"):
        value = options.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            return {"options": f"{name} is a number of seconds."}
    for name in ("driver", "extra_params", "server_spn"):
        if not isinstance(options.get(name, ""), str):
            return {"options": f"{name} is a text."}
    return {}


def _missing(driver: str) -> str:
    """What has to be installed before anything can be tried; "" for nothing."""
    for package in ("pyodbc", "mssql"):
        try:
            # The first needs a library of the system, and is told at its import alone when that is not there.
            import_module(package)
        except ImportError:
            return MISSING_PACKAGES
    if driver == PYTHON_DRIVER:
        try:
            import_module("mssql_python")
        except ImportError:
            return _missing_driver(driver)
    return ""


def _missing_driver(driver: str) -> str:
    if driver == PYTHON_DRIVER:
        return "The driver of Microsoft is not installed: make install EXTRA=mssql-microsoft"
    advice = COMMAND if driver == FREE_DRIVER else "odbcinst -q -d lists those that are"
    return f'The ODBC driver "{driver}" is not installed on this machine: {advice}'


def _is_encrypted(cursor: CursorWrapper) -> bool | None:
    """None where it may not be asked: that takes VIEW SERVER STATE."""
    from django.db import DatabaseError

    try:
        cursor.execute("SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID")
        answer = cursor.fetchone()
    except DatabaseError:
        return None
    return answer is not None and answer[0] == "TRUE"
