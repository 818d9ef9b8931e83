"""Who holds an open socket, by what, and what they may see by it: asked before it is open, and again while it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils.crypto import constant_time_compare

from apps.accounts.backends import BACKEND
from apps.accounts.bearer import principals_of_tokens
from apps.accounts.models import User
from apps.accounts.policy import granted_codes
from apps.accounts.principal import with_grants
from apps.accounts.tickets import redeem_ticket
from apps.console.sockets.origin import is_own_origin
from apps.core.clock import utc_now

#: Permission -> the app codes, and beginnings of app codes that end in a dot, for which it is held; None: everywhere.
Codes = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Pass:
    """What somebody was let in by: the session of a browser, or the access token of a program."""

    session_key: str = ""
    user_id: int | None = None
    token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a pass is good for now."""

    codes: Mapping[str, Codes]

    def may(self, permission: str, app_code: str | None = None) -> bool:
        """Whether it holds for the app; without one: for anything at all."""
        codes = self.codes.get(permission, ())
        if codes is None:
            return True
        return bool(codes) if app_code is None else covers(codes, app_code)


def covers(codes: Codes, app_code: str) -> bool:
    """Whether what is held for these codes is held for the app."""
    if codes is None:
        return True
    return any(app_code.startswith(code) if code.endswith(".") else app_code == code for code in codes)


def session_key_of(scope: Mapping[str, Any]) -> str:
    """The session that the browser sends along; empty when it sends none."""
    cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    return str(parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, ""))


def pass_of_session(scope: Mapping[str, Any]) -> Pass | None:
    """The pass of somebody who is signed in and whose page of ours opens the socket."""
    if not is_own_origin(scope) or not (key := session_key_of(scope)):
        return None
    user = get_user(cast("HttpRequest", SimpleNamespace(session=SessionStore(key))))
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return None
    return Pass(session_key=key, user_id=user.pk)


def pass_of_ticket(ticket: str) -> Pass | None:
    """The pass of a program that shows a ticket; the ticket is used up by it."""
    token_id = redeem_ticket(ticket=ticket, now=utc_now())
    return None if token_id is None else Pass(token_id=token_id)


def standings(passes: Iterable[Pass], permissions: Collection[str]) -> dict[Pass, Standing]:
    """What each pass is good for; one that lets nobody in any more is left out.

    Two queries and one for each permission, for any number of people with a role; two more for each person who has
    grants. Programs: one for all, and the same for the people they act for.
    """
    asked = set(passes)
    found = _of_sessions([one for one in asked if one.token_id is None], permissions)
    tokens = [one for one in asked if one.token_id is not None]
    if tokens:
        principals = principals_of_tokens([one.token_id for one in tokens if one.token_id is not None], now=utc_now())
        for one in tokens:
            if (principal := principals.get(one.token_id or 0)) is not None:
                found[one] = Standing({name: _codes(principal, name) for name in permissions})
    return found


def _codes(asker: Any, permission: str) -> Codes:
    codes = granted_codes(asker, permission)
    return None if codes is None else tuple(sorted(codes))


def _of_sessions(passes: list[Pass], permissions: Collection[str]) -> dict[Pass, Standing]:
    if not passes:
        return {}
    sessions = {
        session.session_key: session
        for session in Session.objects.filter(
            session_key__in={one.session_key for one in passes}, expire_date__gt=utc_now()
        )
    }
    ids = {one.user_id for one in passes if one.user_id is not None}
    people = {user.pk: user for user in with_grants(User.objects.filter(pk__in=ids, is_active=True))}
    holders = {
        permission: set(
            User.objects.with_perm(permission, backend=BACKEND)
            .filter(pk__in=ids, is_staff=True)
            .values_list("pk", flat=True)
        )
        for permission in permissions
    }
    found = {}
    for one in passes:
        session, user = sessions.get(one.session_key), people.get(one.user_id or 0)
        if session is not None and user is not None and _is_session_of(session, user):
            found[one] = Standing({name: _codes_of(user, name, holders[name]) for name in permissions})
    return found


def _codes_of(user: User, permission: str, holders: set[int]) -> Codes:
    if user.pk in holders:
        return None
    return _codes(user, permission) if user.has_grants and user.is_staff else ()


def _is_session_of(session: Session, user: User) -> bool:
    """Whether it is the user's, from before no change of password."""
    data = session.get_decoded()
    if data.get(SESSION_KEY) != str(user.pk) or data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), known) for known in hashes)
