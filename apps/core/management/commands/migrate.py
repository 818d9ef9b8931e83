"""Django's `migrate`, which does not work out on a second database what that database may not have.

A database of collected rows gets the tables of rooms. Django's own command would still go through every migration of
the platform there, one by one, only to leave each of them out: ten seconds of a core for each connection.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

#: With one of these, nothing is migrated, or something in particular.
_PARTICULAR = ("app_label", "plan", "check_unapplied", "fake", "fake_initial", "prune")


class Command(migrate.Command):
    """`manage.py migrate`."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Note first what leaves no trace on this database, then migrate."""
        if not any(options.get(name) for name in _PARTICULAR):
            note_what_is_elsewhere(connections[options["database"]])
        super().handle(*args, **options)


def note_what_is_elsewhere(connection: BaseDatabaseWrapper) -> None:
    """Record as applied each migration of a Django app that may have no tables here, which is what applying it does."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    elsewhere = [one for one, _ in plan if not router.allow_migrate(connection.alias, one.app_label)]
    if elsewhere:
        executor.recorder.ensure_schema()
        with transaction.atomic(using=connection.alias):
            for migration in elsewhere:
                executor.recorder.record_applied(migration.app_label, migration.name)
