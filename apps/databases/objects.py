"""The map of who touches which table: written when runs say what they did, read by the admin and by `deploy drop`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.apps import apps
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from apps.databases import fence_table
from apps.databases.models import AppDbObject
from apps.databases.touching import Touched
from collectors.discovery import RoomConfig

#: Operations that change what an object holds.
WRITES = ("insert", "update", "delete")


#: Names that belong to the databases themselves.
_SYSTEM = ("pg_catalog.", "information_schema.", "pg_", "sqlite_", "sys.")
_platform_tables: set[str] = set()

TouchedObject = tuple[str, str, str, str]
"""Connection, name, kind, operation."""


def objects_of(touched: Touched) -> set[TouchedObject]:
    """What the statements name, without what belongs to the database, to the platform or to this run alone."""
    from apps.databases.statements import read_statement

    readings = [read_statement(shape, touched.vendor) for shape in touched.shapes]
    temporary = {name for reading in readings for name in reading.temporary}
    done = {(touch.name, str(touch.operation)) for reading in readings for touch in reading.touches}
    views, routines = set(touched.views), set(touched.routines)
    found = set()
    for name, operation in done | set(touched.noted):
        folded = name.lower()
        is_ours = folded.startswith(_SYSTEM) or folded.rpartition(".")[2] in _tables_of_the_platform()
        if name in temporary or is_ours or (operation == "call" and folded not in routines):
            continue
        kind = "routine" if operation == "call" else "view" if folded in views else "table"
        found.add((touched.connection, name, kind, operation))
    return found


def _tables_of_the_platform() -> set[str]:
    if not _platform_tables:
        rooms = {config.label for config in apps.get_app_configs() if isinstance(config, RoomConfig)}
        models = (model for model in apps.get_models(include_auto_created=True) if model._meta.app_label not in rooms)
        _platform_tables.update(
            {model._meta.db_table.lower() for model in models} | {"django_migrations", fence_table.TABLE}
        )
    return _platform_tables


def record_touches(app_id: int, run_id: str, touched: Iterable[TouchedObject], *, at: datetime) -> None:
    """Note what a run of an app did: (connection, name, kind, operation) each. In the caller's transaction."""
    by_operation: dict[str, dict[tuple[str, str], AppDbObject]] = defaultdict(dict)
    for connection, name, kind, operation in touched:
        row = AppDbObject(app_id=app_id, connection=connection, name=name, kind=kind, last_run=run_id)
        setattr(row, f"{operation}_at", at)
        by_operation[operation][connection, name] = row
    for operation, rows in sorted(by_operation.items()):
        # In one order, so that two shippers never wait for each other in a circle.
        AppDbObject.objects.bulk_create(
            [rows[key] for key in sorted(rows)],
            update_conflicts=True,
            unique_fields=["app", "connection", "name"],
            update_fields=["kind", "last_run", f"{operation}_at"],
        )


def others_of(connection: str, name: str, *, except_for: Iterable[str] = ()) -> list[str]:
    """Who else uses an object, a line for each app: "shop.prices.daily (reads, writes)"."""
    bare = name.rpartition(".")[2]
    rows = AppDbObject.objects.filter(connection=connection, name__in=[name, bare, f"public.{bare}", f"dbo.{bare}"])
    others = rows.exclude(app__code__in=list(except_for)).select_related("app").order_by("app__code")
    return [f"{row.app.code} ({', '.join(uses(row))})" for row in others]


def uses(row: AppDbObject) -> list[str]:
    """What an app does with an object: "reads", "writes", "calls"."""
    done = {
        _("reads"): row.select_at,
        _("writes"): row.insert_at or row.update_at or row.delete_at,
        pgettext("of an app", "calls"): row.call_at,
    }
    return [word for word, at in done.items() if at]
