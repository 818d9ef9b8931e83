"""`manage.py runcollector <group.parent.app>`: run one collector, by hand or for the manager."""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.runtime import hand
from apps.runtime.collector import run_spec
from apps.runtime.supervision.spec import RunSpec
from apps.runtime.terminal import Terminal

BAD_REQUEST, REFUSED = 2, 3
#: What the column of the limit holds on every database.
MOST_ITEMS = 2**31 - 1


class Command(BaseCommand):
    help = (
        "Run one collector and wait for its end. Exit codes: 0 succeeded, 1 failed or crashed, 2 bad app or argument, "
        "3 refused because it runs already, 124 timed out, 130 or 143 stopped."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("app", nargs="?", help="group.parent.app; disabled apps run too")
        parser.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE", help="an argument of the source")
        parser.add_argument("--limit", type=int, metavar="N", help="collect at most N items; nothing is archived then")
        parser.add_argument("--dry-run", action="store_true", help="work everything out, write no row")
        parser.add_argument("--runtime", metavar="ID", help="for the manager, which gives the rest on stdin")

    def handle(self, *_: Any, app: str | None, runtime: str | None, **options: Any) -> None:
        if (app is None) == (runtime is None):
            raise CommandError("Name the app to run: manage.py runcollector group.parent.app", returncode=BAD_REQUEST)
        try:
            code = self._for_manager(runtime) if runtime is not None else self._by_hand(app or "", options)
        except hand.BadRequest as error:
            raise CommandError(str(error), returncode=BAD_REQUEST) from None
        except hand.AppIsLive as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        sys.exit(code)

    def _for_manager(self, run_id: str) -> int:
        """The spec comes on stdin; the id on the command line is for whoever looks at the process list."""
        try:
            spec = RunSpec.from_json(_take_stdin())
        except (ValueError, TypeError):
            raise hand.BadRequest("--runtime is for the manager: it gives the rest of the run on stdin.") from None
        if spec.run_id != run_id:
            raise hand.BadRequest(f"--runtime names the run {run_id}, but stdin the run {spec.run_id}.")
        return run_spec(spec)

    def _by_hand(self, app: str, options: dict[str, Any]) -> int:
        limit = options["limit"]
        if limit is not None and not 1 <= limit <= MOST_ITEMS:
            raise hand.BadRequest(f"--limit has to be a number from 1 to {MOST_ITEMS}, not {limit}.")
        if options["verbosity"] < 2:
            # The bar and the numbers are for the terminal; the lines are in the run's log.
            for handler in logging.getLogger().handlers:
                if handler.get_name() == "console":
                    handler.setLevel(logging.CRITICAL + 1)
        terminal = Terminal(self.stdout, app)
        return hand.run_by_hand(app, pairs=options["arg"], limit=limit, dry_run=options["dry_run"], terminal=terminal)


def _take_stdin() -> str:
    """What the manager gave. Nothing of it is left for the programs that a source starts, which inherit stdin."""
    text = sys.stdin.read()
    with suppress(OSError):
        os.ftruncate(0, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return text
