"""`manage.py journal status|replay|repair`: what runs and processes said, and how much of it is in the database."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.runtime.journal_desk import repair, standings
from apps.runtime.journals import journal_root
from apps.runtime.shipper import Shipper


class Command(BaseCommand):
    help = (
        "status: each journal of this machine and what of it is not in the database yet. "
        "replay: bring all of it in now. repair: cut torn ends off journals whose writers are dead, keeping the bytes."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["status", "replay", "repair"])
        parser.add_argument("--json", action="store_true", help="status: for programs")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "status":
                self._status(as_json=options["json"])
            elif verb == "replay":
                self._replay()
            else:
                self._repair()
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The platform's database cannot be used: {reason}") from None

    def _status(self, *, as_json: bool) -> None:
        found = standings(journal_root())
        if as_json:
            self.stdout.write(json.dumps([{**asdict(one), "backlog": one.backlog} for one in found], indent=1))
            return
        waiting = [one for one in found if not one.is_done]
        for one in waiting:
            self.stdout.write(f"{one.path}  {one.role or 'not shipped yet'}  {one.backlog} of {one.size} bytes to ship")
        dropped, damaged = sum(one.dropped for one in found), sum(one.damaged_bytes for one in found)
        self.stdout.write(
            f"{len(found)} journals below {journal_root()}, {len(waiting)} of them not done; "
            f"{sum(one.backlog for one in found)} bytes to ship."
        )
        if dropped or damaged:
            self.stdout.write(f"{dropped} lines were lost to a full disk; {damaged} bytes were damaged, and are kept.")

    def _replay(self) -> None:
        shipped = Shipper(journal_root()).ship_all()
        self.stdout.write(f"{shipped.frames} frames shipped, {shipped.lines} of them log lines.")
        if shipped.frames:
            told = {"frames": shipped.frames, "lines": shipped.lines}
            record("journals.replayed", str(journal_root()), source=AuditEntry.SHELL, now=utc_now(), **told)
        if not shipped.is_done:
            self.stdout.write("Some journals are not done: their writers are alive, or `status` names what is left.")

    def _repair(self) -> None:
        mended = repair(journal_root())
        for path, size in mended:
            self.stdout.write(f"{path}: {size} bytes cut off, kept in the .damaged file beside it")
        if mended:
            cut = {str(path): size for path, size in mended}
            record("journals.repaired", str(journal_root()), source=AuditEntry.SHELL, now=utc_now(), cut=cut)
        self.stdout.write(f"{len(mended)} journals repaired.")
