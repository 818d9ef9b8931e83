"""`manage.py beat`: the clock."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.runtime.celery_app import celery_app
from apps.runtime.journals import platform_journal


class Command(BaseCommand):
    help = "Send the scheduling tick and the other periodic tasks. Any number may run; duplicates are harmless."
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        with platform_journal("beat"):
            celery_app().start(["beat", "--loglevel=WARNING", "--pidfile="])
