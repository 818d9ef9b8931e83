"""Celery tasks of captchas: what is asked of providers by the clock. What they find stands in rows."""

from __future__ import annotations

from celery import shared_task

from apps.captcha.balances import LONG_S, check_balances
from apps.captcha.models import SolverAccount
from apps.captcha.settling import settle
from apps.core.clock import utc_now


@shared_task(name="captcha.settle", acks_late=False)  # type: ignore[untyped-decorator]  # celery ships no types
def settle_lost() -> None:
    """Each minute: what became of purchases that nobody waits for any more."""
    settle(now=utc_now())


@shared_task(name="captcha.balances", acks_late=False)  # type: ignore[untyped-decorator]
def look_at_balances() -> None:
    """Every ten minutes: what is left on the accounts."""
    check_balances(SolverAccount.objects.filter(is_active=True), now=utc_now(), timeout_s=LONG_S)
