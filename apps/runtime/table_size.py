"""What tables cost."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.db import OperationalError, connection
from django.db.models import Model

_POSTGRESQL = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name"
_SQLITE = (
    "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN"
    " (SELECT name FROM sqlite_master WHERE tbl_name IN (SELECT value FROM json_each(%s)))"
)


def table_bytes(models: Iterable[type[Model]]) -> int | None:
    """What the tables of these models take on disk, indexes included; None where the database does not say."""
    names = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL, [names])
        else:
            try:
                cursor.execute(_SQLITE, [json.dumps(names)])
            except OperationalError:
                return None  # this SQLite was built without dbstat
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else None
