"""manage.py loginlink [username]: print a link that signs a person in, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry, User
from apps.accounts.roles import seed_roles
from apps.accounts.services import LIFETIME, UserMayNotSignIn, ensure_administrator, issue_login_link
from apps.core.clock import utc_now


class Command(BaseCommand):
    help = "Print a link that signs a person in, once. Without a name: the administrator, made if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help='whom to sign in (default: "admin")')
        parser.add_argument(
            "--minutes", type=int, default=LIFETIME // timedelta(minutes=1), help="how long it works (default: 60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DC_PUBLIC_URL:
            raise CommandError("DC_PUBLIC_URL is not set: say at which address people open this site.")
        if not 1 <= options["minutes"] <= 7 * 24 * 60:
            raise CommandError("--minutes: give a number from 1 to 10080 (a week).")
        user = self._user(options["username"])
        try:
            path = issue_login_link(user=user, now=utc_now(), lifetime=timedelta(minutes=options["minutes"]))
        except UserMayNotSignIn as error:
            raise CommandError(str(error)) from None
        minutes = options["minutes"]
        record("user.login_link_made", str(user), source=AuditEntry.SHELL, now=utc_now(), obj=user, minutes=minutes)
        self.stdout.write(f"{settings.DC_PUBLIC_URL}{path}")

    def _user(self, username: str | None) -> User:
        if username is None:
            seed_roles()
            return ensure_administrator()
        try:
            return User.objects.get(username=username)
        except User.DoesNotExist:
            raise CommandError(f'There is no user "{username}".') from None
