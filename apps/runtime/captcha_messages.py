"""What people are told of solvers of captchas: once when a balance has become low, until it is filled up."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.captcha.models import SolverAccount
from apps.captcha.money import plain
from apps.notifications.services import Kind, notify

ACCOUNT_PAGE = "/admin/captcha/solveraccount/{}/change/"


def tell_low_balances(*, now: datetime) -> int:
    """To how many channels something goes. Any number of managers may call it at once."""
    count = 0
    for account in SolverAccount.objects.filter(is_active=True, low_since__isnull=False).defer("key"):
        left = "an unknown amount" if account.balance is None else f"{plain(account.balance)} dollars"
        with transaction.atomic():
            count += notify(
                kind=Kind.LOW,
                subject=f"The balance of {account.name} is low",
                body=(
                    f"{left} are left on the account {account.name}, which solves captchas; it is low below "
                    f"{plain(account.low_balance)}.\n\nFill it up: without it, apps that need captchas are blocked."
                ),
                link=ACCOUNT_PAGE.format(account.pk),
                dedup_key=f"captcha-low {account.pk} {account.low_since:%Y%m%dT%H%M%S%f}",
                now=now,
            )
    return count
