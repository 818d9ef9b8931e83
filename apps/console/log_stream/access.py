"""Who may follow a run: asked before a socket is accepted, and again while it is open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.accounts.policy import narrow
from apps.accounts.principal import with_grants
from apps.console.log_viewer import MAY_READ
from apps.core.clock import utc_now
from apps.runtime.models import Runtime

SIGNED_OUT = 4401
NOT_ALLOWED = 4403
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in, and by which session."""

    session_key: str
    user_id: int
    run_id: str


def is_own_origin(scope: Mapping[str, Any]) -> bool:
    """Whether a page of this very site opens the socket: scheme, host and port, none of them guessed.

    Browsers send cookies along whoever asks, so the origin is what keeps other sites out. A client that names none is
    no browser of ours.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin = _origin(headers.get(b"origin", ""))
    if origin is None:
        return False
    if origin == _origin(settings.DC_PUBLIC_URL):
        return True
    host = headers.get(b"host", "")
    is_known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return is_known and origin == _origin(f"{_scheme(scope, headers)}://{host}")


def _scheme(scope: Mapping[str, Any], headers: Mapping[bytes, str]) -> str:
    if settings.DC_BEHIND_PROXY and b"x-forwarded-proto" in headers:
        return headers[b"x-forwarded-proto"]
    return {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), "")


def _origin(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.username:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]


def admit(scope: Mapping[str, Any], run_id: str) -> Visitor | None:
    """Who asks, if a page of ours asks for somebody who is signed in and may read the log of a run that exists."""
    if not is_own_origin(scope):
        return None
    cookies = parse_cookie("; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"))
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    user = get_user(cast("HttpRequest", SimpleNamespace(session=SessionStore(key))))
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return None
    seen = narrow(user, MAY_READ, Runtime.objects.filter(pk=run_id))
    return Visitor(key, user.pk, run_id) if seen.exists() else None


def refused(visitors: Iterable[Visitor]) -> dict[Visitor, int]:
    """Those who may not follow any longer, and the code that says why.

    Three queries for any number of visitors with a role; two more for each person who reads by a grant.
    """
    asked = set(visitors)
    sessions = {
        session.session_key: session
        for session in Session.objects.filter(
            session_key__in={visitor.session_key for visitor in asked}, expire_date__gt=utc_now()
        )
    }
    ids = {visitor.user_id for visitor in asked}
    active = with_grants(User.objects.filter(pk__in=ids, is_active=True))
    people = {user.pk: user for user in active}
    readers = set(
        User.objects.with_perm(MAY_READ).filter(pk__in=ids, is_active=True, is_staff=True).values_list("pk", flat=True)
    )
    by_grant = {user.pk for user in active if user.has_grants} - readers
    granted = _granted(visitor for visitor in asked if visitor.user_id in by_grant)
    codes = {}
    for visitor in asked:
        session, user = sessions.get(visitor.session_key), people.get(visitor.user_id)
        if session is None or user is None or not _is_session_of(session, user):
            codes[visitor] = SIGNED_OUT
        elif user.pk not in readers and visitor not in granted:
            codes[visitor] = NOT_ALLOWED
    return codes


def _granted(visitors: Iterable[Visitor]) -> set[Visitor]:
    """Those whom a grant lets read the run they follow."""
    by_user: dict[int, list[Visitor]] = defaultdict(list)
    for visitor in visitors:
        by_user[visitor.user_id].append(visitor)
    found: set[Visitor] = set()
    for user in User.objects.filter(pk__in=by_user, is_active=True, is_staff=True) if by_user else ():
        runs = Runtime.objects.filter(pk__in={visitor.run_id for visitor in by_user[user.pk]})
        seen = set(narrow(user, MAY_READ, runs).values_list("pk", flat=True))
        found.update(visitor for visitor in by_user[user.pk] if visitor.run_id in seen)
    return found


def _is_session_of(session: Session, user: User) -> bool:
    """Whether it is the user's, from before no change of password."""
    data = session.get_decoded()
    if data.get(SESSION_KEY) != str(user.pk) or data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), known) for known in hashes)
