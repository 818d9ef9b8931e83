"""From the token of a request to who asks. REST and WebSocket alike come through here.

A token is believed when we signed it and it is not over (`signing.py`), and when its row is still there: revoking
deletes the row, so it holds for all processes with their next request. The person and the client must be active, and
neither may have ended their sessions since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from oauth2_provider.models import get_access_token_model

from apps.accounts.models import Client, User
from apps.accounts.principal import Principal
from apps.accounts.signing import read_token
from apps.core.clock import utc_now

__all__ = ["Principal", "authenticate", "principals_of_tokens"]


def authenticate(token: str) -> Principal | None:
    """Who a bearer token stands for; None when it stands for nobody any more. Raises nothing but a database's failure.

    The token is looked up by its SHA-256, so how long this takes says nothing about tokens there are.
    """
    claims = read_token(token)
    if claims is None:
        return None
    checksum = hashlib.sha256(token.encode()).hexdigest()
    row = _rows(utc_now()).filter(token_checksum=checksum).first()
    principal = None if row is None else _principal_of(row)
    if principal is None or principal.client is None or principal.client.client_id != claims.client_id:
        return None
    return replace(principal, scopes=claims.scopes & (principal.scopes or frozenset()))


def principals_of_tokens(ids: Collection[int], *, now: datetime) -> dict[int, Principal]:
    """Whom these access tokens stand for, by the keys of their rows; those that let nobody in are left out."""
    found = {row.pk: _principal_of(row) for row in _rows(now).filter(pk__in=ids)}
    return {pk: principal for pk, principal in found.items() if principal is not None}


def _rows(now: datetime) -> Any:
    return get_access_token_model().objects.select_related("application", "user").filter(expires__gt=now)


def _principal_of(row: Any) -> Principal | None:
    client, user = row.application, row.user
    if not isinstance(client, Client) or not _is_let_in(client, row.created):
        return None
    if user is not None and not _is_let_in(user, row.created):
        return None
    return Principal(user=user, client=client, scopes=frozenset(row.scope.split()), token_id=row.pk)


def _is_let_in(who: User | Client, since: datetime) -> bool:
    return who.is_active and (who.sessions_ended_at is None or since > who.sessions_ended_at)
