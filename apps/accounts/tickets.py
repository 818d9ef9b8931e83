"""Tickets: what a program opens a WebSocket with. Used once, within seconds, and never part of an address.

A ticket hangs on the access token it was got with: when that is revoked, the ticket goes with it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.bearer import principals_of_tokens
from apps.accounts.models import Ticket

LIFETIME = timedelta(seconds=30)
#: Tickets of ours have 43 characters.
LONGEST = 100


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket as it is handed out; only its hash is kept."""

    text: str
    expires_at: datetime


def issue_ticket(*, token_id: int, now: datetime) -> NewTicket:
    """A ticket for whoever holds this access token."""
    Ticket.objects.filter(access_token_id=token_id, expires_at__lte=now).delete()
    ticket = NewTicket(secrets.token_urlsafe(32), now + LIFETIME)
    Ticket.objects.create(
        token_hash=_hash(ticket.text), access_token_id=token_id, created_at=now, expires_at=ticket.expires_at
    )
    return ticket


def redeem_ticket(*, ticket: str, now: datetime) -> int | None:
    """Use it up; the access token it stands for. None when it is unknown, used, over, or its holder is gone.

    Of two who show the same ticket at once, one finds the row to delete.
    """
    if len(ticket) > LONGEST:
        return None
    row = Ticket.objects.filter(token_hash=_hash(ticket)).first()
    if row is None or not Ticket.objects.filter(pk=row.pk).delete()[0] or row.expires_at <= now:
        return None
    token_id: int = row.access_token_id
    return token_id if token_id in principals_of_tokens([token_id], now=now) else None


def forget_tickets(*, now: datetime) -> None:
    """Delete those that nobody used in time."""
    Ticket.objects.filter(expires_at__lte=now).delete()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
