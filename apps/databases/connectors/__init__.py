"""The engines: one class each. Importing them here is what makes them known."""

from apps.databases.connectors import postgresql, sqlite, sqlserver
from apps.databases.connectors.base import CONNECTORS, BaseDBConnector, Found, connector_of

MSSQLConnector = sqlserver.MSSQLConnector
PostgresConnector = postgresql.PostgresConnector
SQLiteConnector = sqlite.SQLiteConnector

__all__ = [
    "CONNECTORS",
    "BaseDBConnector",
    "Found",
    "MSSQLConnector",
    "PostgresConnector",
    "SQLiteConnector",
    "connector_of",
]
