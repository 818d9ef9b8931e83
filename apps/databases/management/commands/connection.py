"""`manage.py connection`: the further databases, and whether they answer."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.databases.connectors import CONNECTORS
from apps.databases.models import Connection
from apps.databases.probe import probe_now


class Command(BaseCommand):
    help = "The connections: list shows them, test tries one out and says what it has found."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list | test")
        verbs.add_parser("list", help="show all of them")
        test = verbs.add_parser("test", help="connect and look; exit code 1 if that fails")
        test.add_argument("alias")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        if verb == "list":
            self._list()
        else:
            self._test(options["alias"])

    def _list(self) -> None:
        rows = list(Connection.objects.all())
        for row in rows:
            engine = CONNECTORS[row.engine].title if row.engine in CONNECTORS else row.engine
            state = "" if row.is_enabled else "  disabled"
            self.stdout.write(
                f"{row.alias:<20} {engine:<12} {row.host or row.name}  {row.test_said or 'never tested'}{state}"
            )
        if not rows:
            self.stdout.write("There are none; they are made in the admin, under System > Connections.")

    def _test(self, alias: str) -> None:
        row = Connection.objects.filter(alias=alias).first()
        if row is None:
            names = ", ".join(Connection.objects.values_list("alias", flat=True)[:20]) or "none"
            raise CommandError(f'There is no connection "{alias}"; there are: {names}.')
        probed = probe_now(row)
        record("connection.tested", alias, source=AuditEntry.SHELL, now=utc_now(), obj=row, outcome=probed.outcome)
        if probed.outcome == Connection.Outcome.FAILED:
            raise CommandError(probed.said)
        self.stdout.write(probed.said)
