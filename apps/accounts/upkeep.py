"""Rows that let nobody in any more go once a day; nothing of them is history, so no retention keeps them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session
from oauth2_provider.models import clear_expired

from apps.accounts import lockout
from apps.accounts.tickets import forget_tickets


def forget_what_is_over(*, now: datetime) -> None:
    """Delete sessions, tokens, authorization codes and tickets that are over, and old counts of wrong passwords.

    A refresh token stays as long as it would have lived: one that comes a second time has to be known.
    """
    Session.objects.filter(expire_date__lt=now).delete()
    clear_expired()
    forget_tickets(now=now)
    lockout.forget_old(now=now)
