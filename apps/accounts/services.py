"""Writes about people: login links and the first administrator."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import LoginLink, User

LIFETIME = timedelta(hours=1)
REFUSED = "This login link is not valid any more."


class LoginLinkRefused(Exception):
    """The link lets nobody in. It does not say why: a stranger learns nothing from it."""


class UserMayNotSignIn(Exception):
    """The account is switched off, or may not open the admin; a link for it would be useless."""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_login_link(*, user: User, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """Make a link that signs `user` in once, and return its path. Earlier links of the user stop working."""
    if not user.is_active:
        raise UserMayNotSignIn(_('"%(name)s" is switched off: set it active first.') % {"name": user.username})
    if not user.is_staff:
        raise UserMayNotSignIn(
            _('"%(name)s" may not open the admin: give it staff status first.') % {"name": user.username}
        )
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        user.login_links.open(now).update(revoked_at=now)
        LoginLink.objects.create(user=user, token_hash=_hash(token), created_at=now, expires_at=now + lifetime)
    return reverse("login-link", args=[token])


@transaction.atomic
def hand_out_login_link(*, user: User, actor: User | None, source: str, now: datetime) -> str:
    """The same, at somebody's request."""
    link = issue_login_link(user=user, now=now)
    audit.record("user.login_link_made", str(user), source=source, actor=actor, now=now, obj=user)
    return link


def redeem_login_link(*, token: str, now: datetime) -> User:
    """Use up the link and return its user. Raises `LoginLinkRefused`.

    One guarded UPDATE: of two requests that arrive together, one finds the row still open. Its conditions stay on its
    own columns; one on the user would become a subquery, which PostgreSQL does not look at again after it waited.
    """
    link = LoginLink.objects.select_related("user").filter(token_hash=_hash(token)).first()
    if link is None or not link.user.is_active:
        raise LoginLinkRefused(REFUSED)
    if not LoginLink.objects.open(now).filter(pk=link.pk).update(used_at=now):
        raise LoginLinkRefused(REFUSED)
    return link.user


def set_language(*, user: User, language: str, now: datetime) -> None:
    """In which language a person is shown pages; empty: the one that their browser asks for."""
    if language == user.language:
        return
    was, user.language = user.language, language
    user.save(update_fields=["language"])
    before, after = {"language": was}, {"language": language}
    who = user.get_username()
    audit.record("user.changed", who, source=audit.ADMIN, actor=user, obj=user, now=now, before=before, after=after)


def ensure_administrator() -> User:
    """The user "admin", made on first call: everything allowed, no password, so that only a link lets one in."""
    user, _is_new = User.objects.get_or_create(
        username="admin", defaults={"is_superuser": True, "is_staff": True, "password": make_password(None)}
    )
    return user
