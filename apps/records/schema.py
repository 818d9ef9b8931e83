"""Whether the table is still the one that the model describes, and the one a run began with."""

from __future__ import annotations

from typing import TypeAlias

from django.db import connections

from apps.records.backends import backend_class
from apps.records.models import DataTable
from collectors.toolkit.errors import StorageError

#: Column -> what the database says of its type; whether it may be left out.
Columns: TypeAlias = dict[str, tuple[str, bool]]


class SchemaMemory:
    """The tables as a run found them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Columns] = {}

    def note(self, model: type[DataTable], alias: str) -> None:
        """Remember the table as it is now, unless the run has met it before."""
        place = (alias, model._meta.db_table)
        if place not in self._found:
            self._found[place] = columns_of(model, alias)

    def check(self, model: type[DataTable], alias: str) -> None:
        """Raise `StorageError` when the table is not what the model says, or what it was."""
        now = columns_of(model, alias)
        if now:  # a table that does not exist is the next statement's to say
            check_columns(model, alias, now)
        before = self._found.get((alias, model._meta.db_table), now)
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                how = "appeared" if name not in before else "disappeared" if name not in now else "changed its type"
                raise StorageError(
                    f'The table "{model._meta.db_table}" changed while the run was going on: its column "{name}" '
                    f"{how}. Nothing was written; run it again."
                )


def columns_of(model: type[DataTable], alias: str) -> Columns:
    """The columns as the database describes them; none where there is no such table."""
    connection = connections[alias]
    statement, name = backend_class(connection.vendor).description(connection, model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement, [name])
        return {column: (str(kind), bool(may_be_left_out)) for column, kind, may_be_left_out in cursor.fetchall()}


def check_columns(model: type[DataTable], alias: str, columns: Columns) -> None:
    """Raise `StorageError` unless these are columns that rows of `model` can be written to."""
    table, label = model._meta.db_table, model._meta.app_label
    command = f"manage.py migrate {label} --database {alias}"
    wanted = {str(field.column) for field in model._meta.concrete_fields}
    for name in sorted(wanted - columns.keys()):
        raise StorageError(f'The table "{table}" has no column "{name}", but {model.__name__} does: {command}')
    for name in sorted(columns.keys() - wanted):
        if not columns[name][1]:
            raise StorageError(
                f'The table "{table}" has a column "{name}" that must be filled and that {model.__name__} does not '
                f"know: {command}"
            )
