"""Signing in and out, whatever the way: what is written down, and what ends."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.http import HttpRequest
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from apps.accounts import audit
from apps.accounts.middleware import BEGAN, SEEN
from apps.accounts.models import User


def signed_in(request: HttpRequest, user: User, *, how: str, now: datetime) -> None:
    """After `django.contrib.auth.login`: the session begins now, and the audit says so."""
    for name in (BEGAN, SEEN):
        request.session.pop(name, None)
    request.session[BEGAN] = now.timestamp()
    audit.record("login.succeeded", user.get_username(), source=audit.ADMIN, actor=user, obj=user, now=now, how=how)


@transaction.atomic
def end_sessions(*, user: User, actor: User | None, now: datetime) -> None:
    """Log the person out everywhere: browsers, WebSockets, and the tokens that clients were given for them."""
    user.sessions_ended_at = now
    user.save(update_fields=["sessions_ended_at"])
    get_grant_model().objects.filter(user=user).delete()
    get_refresh_token_model().objects.filter(user=user, revoked__isnull=True).update(revoked=now)
    get_access_token_model().objects.filter(user=user).delete()
    audit.record("user.sessions_ended", user.get_username(), source=audit.ADMIN, actor=actor, obj=user, now=now)
