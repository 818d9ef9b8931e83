"""`manage.py deploy`: the tables of sources, on any connection."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.core.clock import utc_now
from apps.core.encryption.keys import EncryptionError
from apps.databases.deploying import Deploy, DeployError

VERBS = {
    "plan": "show what create would do",
    "create": "make the tables",
    "seed": "add the rows of fixtures/seed.json that are not there",
    "drop": "drop the tables and their rows",
    "recreate": "drop, create, seed",
}


class Command(BaseCommand):
    help = "The tables of sources: " + ", ".join(f"{verb} ({what})" for verb, what in VERBS.items()) + "."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=VERBS)
        parser.add_argument("target", help='a source, a parent, a group, or "all"')
        parser.add_argument("--connection", default="", metavar="ALIAS", help="only what lives there")
        parser.add_argument("--sql", action="store_true", help="plan: with the statements")
        parser.add_argument("--confirm", default="", metavar="TARGET", help="drop, recreate: the target once more")
        parser.add_argument("--force", action="store_true", help="drop, recreate: in production, too")

    def handle(self, *_: Any, verb: str, target: str, connection: str, **options: Any) -> None:
        try:
            deploy = Deploy(target, connection)
            getattr(self, f"_{verb}")(deploy, options)
        except (DeployError, EncryptionError) as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(str(error).strip().partition("\n")[0]) from None

    def _plan(self, deploy: Deploy, options: dict[str, Any]) -> None:
        for step in deploy.plan():
            self.stdout.write(f"{step.code} on {step.alias}")
            for operation in step.operations:
                self.stdout.write(f"  {operation}")
            if not step.migrations:
                self.stdout.write("  nothing to do")
            elif options["sql"]:
                self.stdout.write("\n".join(step.statements()))

    def _create(self, deploy: Deploy, _options: dict[str, Any]) -> None:
        steps = deploy.plan()
        deploy.create(now=utc_now())
        for step in steps:
            done = f"{len(step.migrations)} applied" if step.migrations else "nothing to do"
            self.stdout.write(f"{step.code} on {step.alias}: {done}")

    def _seed(self, deploy: Deploy, _options: dict[str, Any]) -> None:
        added = deploy.seed(now=utc_now())
        for code, count in added.items():
            self.stdout.write(f"{code}: {count} added")
        if not added:
            self.stdout.write("No fixtures/seed.json there.")

    def _drop(self, deploy: Deploy, options: dict[str, Any]) -> None:
        self._ask(deploy, options)
        deploy.drop(now=utc_now())
        self.stdout.write("Dropped.")

    def _recreate(self, deploy: Deploy, options: dict[str, Any]) -> None:
        self._ask(deploy, options)
        deploy.drop(now=utc_now())
        self._create(deploy, options)
        self._seed(deploy, options)

    def _ask(self, deploy: Deploy, options: dict[str, Any]) -> None:
        if settings.DC_PROFILE == "production" and not options["force"]:
            raise CommandError("This is production: say --force if you mean it.")
        for table in deploy.tables():
            rows = "not there" if table.rows is None else f"{table.rows:,} rows go"
            self.stdout.write(f"  {table.name}: {rows}")
            for other in table.others:
                self.stdout.write(f"    also used by {other}")
        typed = options["confirm"]
        if not typed:
            try:
                typed = input(f'Type "{deploy.target}" to drop these tables: ')
            except EOFError:
                raise CommandError(f"Nobody answers here: say --confirm {deploy.target}") from None
        if typed.strip() != deploy.target:
            raise CommandError("That is not the name; nothing was dropped.")
