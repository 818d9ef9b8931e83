"""Writes about API clients: secrets, and the end of tokens."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from apps.accounts.models import Client


def new_secret() -> str:
    """A secret as long as its 256 bits need; only its hash is kept."""
    return secrets.token_urlsafe(32)


@transaction.atomic
def set_new_secret(*, client: Client, now: datetime) -> str:
    """Give the client another secret and return it. The old one, and what was given for it, stop working at once."""
    secret = client.client_secret = new_secret()
    client.save(update_fields=["client_secret", "updated"])
    end_tokens(client=client, now=now)
    return secret


@transaction.atomic
def end_tokens(*, client: Client, now: datetime) -> None:
    """No token and no code of the client works from now on, in any process."""
    client.sessions_ended_at = now
    client.save(update_fields=["sessions_ended_at", "updated"])
    get_grant_model().objects.filter(application=client).delete()
    get_refresh_token_model().objects.filter(application=client, revoked__isnull=True).update(revoked=now)
    get_access_token_model().objects.filter(application=client).delete()
