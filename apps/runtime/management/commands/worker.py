"""`manage.py worker`: a Celery worker of the platform's queues."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from celery.signals import worker_ready
from django.core.management.base import BaseCommand

from apps.runtime import vital_signs
from apps.runtime.celery_app import celery_app
from apps.runtime.housekeeping import Housekeeping, Job
from apps.runtime.journals import platform_journal
from apps.runtime.process import node_name
from apps.runtime.reaper import Reaper


class Command(BaseCommand):
    help = "Run Celery tasks: the scheduling tick and what the schedules in the admin name. It reaps, too."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="processes (default 1)")
        parser.add_argument("--queues", default="clock,celery", metavar="NAMES", help="default: clock,celery")

    def handle(self, *_: Any, concurrency: int, queues: str, **__: Any) -> None:
        # Not before: its pool is forked first, and a fork should find no thread at work.
        reaper = Reaper()
        name = f"{node_name()} {os.getpid()}"
        signs = Housekeeping([Job("sign of life", lambda: vital_signs.beat_worker(name), every_s=3.0)])
        worker_ready.connect(lambda **_: reaper.start(), weak=False)
        worker_ready.connect(lambda **_: signs.start(), weak=False)
        with platform_journal("worker"):
            celery_app().worker_main(
                [
                    "worker",
                    f"--concurrency={concurrency}",
                    f"--queues={queues}",
                    "--loglevel=WARNING",
                    "--without-gossip",
                    "--without-mingle",
                ]
            )
