"""What a database holds: which names are views, and which functions are not its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

_POSTGRESQL = """
SELECT n.nspname, c.relname, true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT n.nspname, p.proname, false FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_SQLITE = "SELECT 'main', name, 1 FROM sqlite_master WHERE type = 'view'"
_SQL_SERVER = """
SELECT SCHEMA_NAME(schema_id), name, CASE type WHEN 'V' THEN 1 ELSE 0 END FROM sys.objects
WHERE type IN ('V', 'P', 'FN', 'IF', 'TF')
"""
_QUERIES = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE, "microsoft": _SQL_SERVER}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Views and routines, by name with and without schema, in small letters."""

    views: frozenset[str] = frozenset()
    routines: frozenset[str] = frozenset()

    @classmethod
    def read(cls, connection: BaseDatabaseWrapper) -> Self:
        """Ask the database; one that does not say has none."""
        views: set[str] = set()
        routines: set[str] = set()
        try:
            with connection.cursor() as cursor:
                cursor.execute(_QUERIES[connection.vendor])
                for schema, name, is_view in cursor.fetchall():
                    (views if is_view else routines).update({name.lower(), f"{schema}.{name}".lower()})
        except (DatabaseError, KeyError):
            pass
        return cls(frozenset(views), frozenset(routines))
