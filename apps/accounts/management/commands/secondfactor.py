"""manage.py secondfactor <username> --reset: forget the second factor of somebody who has lost it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import second_factor
from apps.accounts.models import AuditEntry, User
from apps.core.clock import utc_now


class Command(BaseCommand):
    help = "Say whether somebody has a second factor; with --reset forget it, so that they can set up another."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reset", action="store_true", help="forget it, and the codes on paper with it")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f'There is no user "{options["username"]}".')
        if options["reset"]:
            gone = second_factor.remove(user=user, actor=None, source=AuditEntry.SHELL, now=utc_now())
            self.stdout.write(f"{user.username}: {'forgotten' if gone else 'there was none'}.")
            return
        factor = second_factor.of(user)
        self.stdout.write(f"{user.username}: {f'since {factor.confirmed_at:%Y-%m-%d}' if factor else 'none'}.")
