"""Passwords are looked at here and nowhere else, so that guessing is bounded on every way in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from apps.accounts import audit, lockout
from apps.accounts.address import client_address
from apps.accounts.models import User
from apps.accounts.principal import with_grants
from apps.core.clock import utc_now

BACKEND = "apps.accounts.backends.PasswordBackend"


class PasswordBackend(ModelBackend):
    """Django's own, with a lockout and an audit of what failed."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The person whose password it is. `request.lockout` says why a try was refused unseen."""
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        now, address = utc_now(), client_address(request.META)
        try:
            attempt = lockout.begin(username, address, now=now)
        except lockout.Locked as locked:
            request.lockout = locked  # type: ignore[attr-defined]
            raise PermissionDenied from None
        user = super().authenticate(request, username, password, **kwargs)
        if isinstance(user, User):
            lockout.succeeded(attempt)
            return user
        _write_down(attempt)
        return None

    def get_user(self, user_id: int) -> User | None:
        """The person of a session, with `has_grants`: so that no page asks for grants of those who have none."""
        user = with_grants(User.objects.filter(pk=user_id)).first()
        return user if user is not None and self.user_can_authenticate(user) else None


def _write_down(attempt: lockout.Try) -> None:
    """People type passwords where names belong: a name that nobody has is written down nowhere."""
    known = User.objects.filter(username=attempt.name[:150].replace("\x00", "")).first()
    audit.record(
        "login.failed",
        known.username if known else "somebody unknown",
        source=audit.ADMIN,
        now=utc_now(),
        address=attempt.address,
        obj=known,
        locked=attempt.is_last,
    )
