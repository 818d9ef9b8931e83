"""`manage.py sweep`: delete what retention says, or show what it would delete."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.core.templatetags.facts import size
from apps.logs.retention_models import SweptTable
from apps.runtime.journals import journal_root
from apps.runtime.process import node_name
from apps.runtime.sweep import measure, sweep
from apps.runtime.sweep_journals import disk_use, sweep_journals

WIDTHS = (22, 14, 10, 14)


class Command(BaseCommand):
    help = (
        "Delete what is older than DC_RETENTION_... says, a little at a time. "
        "--dry-run prints the same numbers and deletes nothing."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only show what would be deleted")

    def handle(self, *_: Any, dry_run: bool, **__: Any) -> None:
        now, root = utc_now(), journal_root()
        try:
            tables, journals = measure(now=now), disk_use(root)
            self._print(tables)
            # Journals first: the row of a run takes along what is left of its files.
            swept = sweep_journals(root, now=now, is_real=not dry_run)
            deleted = {} if dry_run else sweep(now=now).deleted
            if not dry_run and (swept.files or any(deleted.values())):
                told = {"deleted": deleted, "files": swept.files}
                record("platform.swept", node_name(), source=AuditEntry.SHELL, now=utc_now(), **told)
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The platform's database cannot be used: {reason}") from None
        name = f"journals of {node_name()}"[: WIDTHS[0]]
        self._row(name, f"{journals.files:,}", size(journals.bytes), f"{swept.files:,}", f"{size(swept.bytes)} go")
        if dry_run:
            total = sum(table.due_count for table in tables)
            self.stdout.write(f"\nNothing was deleted. A sweep now deletes {total:,} rows and {swept.files:,} files.")
        else:
            self.stdout.write(f"\nDeleted {sum(deleted.values()):,} rows and {swept.files:,} files.")

    def _print(self, tables: list[SweptTable]) -> None:
        self._row("what", "rows", "size", "goes", "kept")
        for table in tables:
            self._row(table.name, f"{table.row_count:,}", size(table.bytes), f"{table.due_count:,}", table.rule)

    def _row(self, name: str, *values: str) -> None:
        *numbers, rule = values
        shown = [f"{value:>{width}}" for value, width in zip(numbers, WIDTHS[1:], strict=True)]
        self.stdout.write(f"{name:<{WIDTHS[0]}}{''.join(shown)}  {rule}")
