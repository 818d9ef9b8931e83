"""How each engine takes in rows, locks a table, and says that something is worth another try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.toolkit.errors import StorageError

if TYPE_CHECKING:
    from apps.records.backends.base import Backend


def backend_class(vendor: str) -> type[Backend]:
    """The backend for a Django connection's vendor. Raises `StorageError` for an engine rows cannot be merged on."""
    # Imported here: an installation on SQLite need not have the driver of PostgreSQL.
    match vendor:
        case "postgresql":
            from apps.records.backends.postgresql import PostgresBackend

            return PostgresBackend
        case "sqlite":
            from apps.records.backends.sqlite import SQLiteBackend

            return SQLiteBackend
        case "microsoft":
            from apps.records.backends.sqlserver import SQLServerBackend

            return SQLServerBackend
    raise StorageError(f"Rows cannot be merged on {vendor}; PostgreSQL, SQL Server and SQLite can.")


def is_worth_another_try(connection: Any, error: BaseException) -> bool:
    """Whether the same statements may succeed a moment later: a deadlock, a serialisation failure, a busy file."""
    try:
        return backend_class(connection.vendor).is_worth_another_try(error)
    except StorageError:
        return False
