"""`manage.py startcollector <group> <parent> <app>`: a room that runs and passes its own tests."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.scaffolding import KINDS, PROJECT, CannotStart, start_collector
from apps.registry.services import register_app
from collectors.identity import AppInfo, app_info


class Command(BaseCommand):
    help = "Writes a new source: code, table, migration, and tests that pass. Its app is registered, disabled."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("group", help="first part of the code: a client, a domain, a team")
        parser.add_argument("parent", help="second part: usually the site that is collected from")
        parser.add_argument("app", help="third part: what is collected")
        parser.add_argument("--kind", choices=KINDS, default="single", help="one item at a time, in threads, or async")
        parser.add_argument(
            "--into", type=Path, metavar="FOLDER", help="one of the folders in DC_SOURCES_PATH; else collectors/sources"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        parts = options["group"], options["parent"], options["app"]
        try:
            folder = start_collector(*parts, kind=options["kind"], into=options["into"])
        except CannotStart as error:
            raise CommandError(str(error), returncode=2) from None
        info = app_info(*parts)
        shown = folder.relative_to(PROJECT) if folder.is_relative_to(PROJECT) else folder
        self.stdout.write(f"Wrote {shown}: begin reading at main.py.")
        self._register(info)
        self.stdout.write("\nNext:")
        for command in next_commands(info, shown):
            self.stdout.write(f"  {command}")
        self.stdout.write("A platform that is up knows the new source after its next start.")

    def _register(self, info: AppInfo) -> None:
        try:
            app = register_app(info)
            record("app.source_written", info.code, source=AuditEntry.SHELL, now=utc_now(), obj=app)
        except DatabaseError:
            self.stderr.write(
                f"{info.code} is not on the register yet, because the platform's database cannot be used; "
                "its first run will put it there."
            )
            return
        state = "enabled" if app.is_enabled else "disabled"
        self.stdout.write(f"{info.code} is on the register, {state}.")


def next_commands(info: AppInfo, folder: Path) -> list[str]:
    """What to type next: test it, make its table, run it."""
    python = ".venv/bin/python" if Path(sys.executable) == PROJECT / ".venv/bin/python" else sys.executable
    pytest = f"{python} -m pytest"
    if folder.is_absolute():
        # Outside the project pytest finds neither its configuration nor its settings.
        pytest = f"DC_PROFILE=test {python} -m pytest -c pyproject.toml --ds config.settings"
    database = " --database data" if "data" in settings.DATABASES else ""
    return [
        *([] if find_spec("pytest") else [".ci/install dev"]),
        f"{pytest} {folder}",
        f"{python} manage.py migrate {info.label}{database}",
        f"{python} manage.py runcollector {info.code} --limit 3",
    ]
