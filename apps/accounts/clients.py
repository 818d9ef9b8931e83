"""Writes about API clients: secrets, and the end of tokens."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from apps.accounts.audit import record
from apps.accounts.models import Client, User


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
def replace_secret(*, client: Client, actor: User | None, source: str, now: datetime) -> str:
    """The same, at somebody's request."""
    record("client.secret_made", str(client), source=source, actor=actor, now=now, obj=client)
    return set_new_secret(client=client, now=now)


@transaction.atomic
def revoke_tokens(*, client: Client, actor: User | None, source: str, now: datetime) -> None:
    """End all tokens of a client, at somebody's request."""
    record("client.tokens_ended", str(client), source=source, actor=actor, now=now, obj=client)
    end_tokens(client=client, now=now)


def end_if_other(*, client: Client, changed: Collection[str], now: datetime) -> None:
    """What was given to a client that now gets in another way, or not at all, works no more."""
    if {"is_active", "client_type", "authorization_grant_type"} & set(changed):
        end_tokens(client=client, now=now)


@transaction.atomic
def end_tokens(*, client: Client, now: datetime) -> None:
    """No token and no code of the client works from now on, in any process."""
    client.sessions_ended_at = now
    client.save(update_fields=["sessions_ended_at", "updated"])
    get_grant_model().objects.filter(application=client).delete()
    get_refresh_token_model().objects.filter(application=client, revoked__isnull=True).update(revoked=now)
    get_access_token_model().objects.filter(application=client).delete()
