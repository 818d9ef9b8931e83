"""Signing in and out, whatever the way: what is written down, and what ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from apps.accounts import audit, second_factor
from apps.accounts.backends import BACKEND
from apps.accounts.middleware import BEGAN, SEEN
from apps.accounts.models import User
from apps.core.clock import utc_now

HALF = "half_way"
#: To find the phone, or to set up the app.
PATIENCE = timedelta(minutes=10)


def sign_in(
    request: HttpRequest, user: User, *, how: str, leads_to: str = "", is_vouched: bool = False
) -> HttpResponse:
    """Open a session for somebody who has shown who they are, or first ask for the second factor.

    Until that was given there is no session that any page or WebSocket would take for theirs. `is_vouched`: an OpenID
    provider has asked them for whatever it asks for.
    """
    leads_to = leads_to or str(resolve_url(settings.LOGIN_REDIRECT_URL))
    if not is_vouched and (second_factor.of(user) or second_factor.is_required(user)):
        request.session.flush()
        request.session[HALF] = {
            "user": user.pk,
            "door": user.get_session_auth_hash(),
            "how": how,
            "until": (utc_now() + PATIENCE).timestamp(),
            "leads_to": leads_to,
        }
        return redirect("second-factor")
    _open(request, user, how=how)
    return redirect(leads_to)


def half_way(request: HttpRequest) -> User | None:
    """Who has shown one factor a moment ago, in this browser."""
    half = request.session.get(HALF)
    if not isinstance(half, dict) or half["until"] < utc_now().timestamp():
        return None
    user = User.objects.filter(pk=half["user"], is_active=True).first()
    return user if user is not None and half["door"] == user.get_session_auth_hash() else None


def go_on(request: HttpRequest, user: User) -> str:
    """Open the session of who was half way and is through; where they wanted to go."""
    half = request.session.pop(HALF)
    _open(request, user, how=f"{half['how']} and second factor")
    return str(half["leads_to"])


def _open(request: HttpRequest, user: User, *, how: str) -> None:
    login(request, user, backend=BACKEND)
    signed_in(request, user, how=how, now=utc_now())


def signed_in(request: HttpRequest, user: User, *, how: str, now: datetime) -> None:
    """After `django.contrib.auth.login`: the session begins now, and the audit says so."""
    for name in (BEGAN, SEEN):
        request.session.pop(name, None)
    request.session[BEGAN] = now.timestamp()
    audit.record("login.succeeded", user.get_username(), source=audit.ADMIN, actor=user, obj=user, now=now, how=how)


@transaction.atomic
def end_sessions(*, user: User, actor: User | None, source: str = audit.ADMIN, now: datetime) -> None:
    """Log the person out everywhere: browsers, WebSockets, and the tokens that clients were given for them."""
    user.sessions_ended_at = now
    user.save(update_fields=["sessions_ended_at"])
    get_grant_model().objects.filter(user=user).delete()
    get_refresh_token_model().objects.filter(user=user, revoked__isnull=True).update(revoked=now)
    get_access_token_model().objects.filter(user=user).delete()
    audit.record("user.sessions_ended", user.get_username(), source=source, actor=actor, obj=user, now=now)
