"""`manage.py manager`: start and end runs on this machine."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.runtime.escape_key import on_escape
from apps.runtime.journals import platform_journal
from apps.runtime.manager import Manager


class Command(BaseCommand):
    help = (
        "Claim queued runs, start a collector for each, and write down how it ended. One per machine. "
        "TERM, Ctrl-C or ESC ends it, and a second one at once."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--slots", type=int, metavar="N", help="runs at the same time (default: DC_RUN_SLOTS)")
        parser.add_argument("--queues", metavar="NAMES", help="whose runs to take (default: DC_RUN_QUEUES)")
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--drain", action="store_true", help="when told to end, let its runs finish first")
        end.add_argument(
            "--stop-apps", action="store_true", help="when told to end, stop its runs with their grace (the default)"
        )

    def handle(self, *_: Any, slots: int | None, queues: str | None, drain: bool, **__: Any) -> None:
        slots = settings.DC_RUN_SLOTS if slots is None else slots
        names = [name.strip() for name in queues.split(",") if name.strip()] if queues else settings.DC_RUN_QUEUES
        if slots < 1:
            raise CommandError("--slots has to be at least 1.", returncode=2)
        manager = Manager(slots=slots, queues=names, is_draining_at_exit=drain)

        def on_signal(_signum: int, _frame: FrameType | None) -> None:
            manager.stop()

        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, on_signal)
        with platform_journal("manager"), on_escape(manager.stop):
            code = manager.run()
        sys.exit(code)
