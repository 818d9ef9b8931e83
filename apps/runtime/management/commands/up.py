"""`manage.py up`: everything on one machine, for the first ten minutes and for small installations."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.runtime.one_machine import CannotStart, Platform


class Command(BaseCommand):
    help = (
        "Start the whole platform as children of this process: migrate, seed, broker, web, manager, worker, beat. "
        "Runs until Ctrl-C."
    )
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        os.chdir(settings.BASE_DIR)
        try:
            code = Platform(self._say).run()
        except CannotStart as error:
            raise CommandError(str(error)) from None
        sys.exit(code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
