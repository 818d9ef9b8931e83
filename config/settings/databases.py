"""From database addresses to Django's DATABASES."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from pydantic import SecretStr

from config.errors import SettingsError
from config.settings.env import BASE_DIR, DatabaseSettings

SQLITE = "django.db.backends.sqlite3"

# WAL lets readers go on while one process writes; IMMEDIATE takes the write lock where a transaction begins, because a
# lock that is upgraded in the middle fails at once instead of waiting for the busy timeout.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}

# Collected rows may live in SQL Server (docs/databases.md); its connections in the admin say more.
SQLSERVER = "apps.databases.engines.sqlserver"
SQLSERVER_OPTIONS = {
    "driver": "FreeTDS",
    "host_is_server": True,
    "connection_retries": 0,
    "extra_params": "Encryption=request",
}
dj_database_url.register("mssql", SQLSERVER)

POSTGRESQL = "django.db.backends.postgresql"

POSTGRESQL_OPTIONS = {
    # Statements here are many and short: compiling one with a long condition takes longer than answering it.
    "options": "-c jit=off",
    # A server behind a network that swallows packets is noticed within seconds, not after the quarter of an hour that
    # TCP would try: whoever waits for an answer finds out, and connects again.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


def databases(settings: DatabaseSettings) -> dict[str, dict[str, Any]]:
    """DATABASES: `default` holds the platform's tables, `data` the collected rows where they live elsewhere."""
    connections = {"default": connection(settings.url, settings)}
    if settings.data_url is not None:
        connections["data"] = connection(settings.data_url, settings, "DC_DATABASE_DATA_URL")
    return connections


def connection(url: SecretStr | None, settings: DatabaseSettings, variable: str = "DC_DATABASE_URL") -> dict[str, Any]:
    """One entry. Raises `SettingsError`; the message never holds the address, which holds a password."""
    try:
        entry: dict[str, Any] = dict(dj_database_url.parse(url.get_secret_value() if url else ""))
    except ValueError:
        raise SettingsError(
            f"{variable}: not a database address; write postgresql://user:password@host:5432/name or "
            "sqlite:////path. Special characters in a password are written as %40 and the like."
        ) from None
    if not entry["NAME"]:
        raise SettingsError(f"{variable}: names no database; write it behind the host, as in postgresql://host/name.")
    options = entry.setdefault("OPTIONS", {})
    if entry["ENGINE"] == SQLITE:
        if entry["NAME"] != ":memory:":
            # A relative path means the project's folder, whatever folder a process was started in.
            entry["NAME"] = str(BASE_DIR / Path(entry["NAME"]))
        options.update(SQLITE_OPTIONS)
    elif entry["ENGINE"] == SQLSERVER:
        if find_spec("mssql") is None:
            raise SettingsError(f"{variable}: SQL Server needs further packages: make install EXTRA=mssql")
        entry["OPTIONS"] = {**SQLSERVER_OPTIONS, "connection_timeout": settings.connect_timeout_s, **options}
    else:
        options.setdefault("connect_timeout", settings.connect_timeout_s)
        if entry["ENGINE"] == POSTGRESQL:
            for name, value in POSTGRESQL_OPTIONS.items():
                options.setdefault(name, value)
    return entry
