"""From the token of a request to who asks. REST and WebSocket alike come through here.

A token is believed when we signed it and it is not over (`signing.py`), and when its row is still there: revoking
deletes the row, so it holds for all processes with their next request. The person and the client must be active, and
neither may have ended their sessions since.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from oauth2_provider.models import get_access_token_model

from apps.accounts.models import Client, User
from apps.accounts.principal import Principal
from apps.accounts.signing import read_token
from apps.core.clock import utc_now

__all__ = ["Principal", "authenticate"]


def authenticate(token: str) -> Principal | None:
    """Who a bearer token stands for; None when it stands for nobody any more. Raises nothing but a database's failure.

    The token is looked up by its SHA-256, so how long this takes says nothing about tokens there are.
    """
    claims = read_token(token)
    if claims is None:
        return None
    checksum = hashlib.sha256(token.encode()).hexdigest()
    row = (
        get_access_token_model()
        .objects.select_related("application", "user")
        .filter(token_checksum=checksum, expires__gt=utc_now())
        .first()
    )
    if row is None or not isinstance(row.application, Client) or row.application.client_id != claims.client_id:
        return None
    user = row.user
    if user is not None and not _is_let_in(user, row.created):
        return None
    if not _is_let_in(row.application, row.created):
        return None
    return Principal(user=user, client=row.application, scopes=claims.scopes & frozenset(row.scope.split()))


def _is_let_in(who: User | Client, since: datetime) -> bool:
    return who.is_active and (who.sessions_ended_at is None or since > who.sessions_ended_at)
