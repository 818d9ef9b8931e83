"""Lines of runs that tests begin with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.models import User
from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.runtime.models import Runtime


def say(run: Runtime, first: int, last: int, **values: Any) -> None:
    """Lines `first` to `last`, a second apart; a value that is a function is called with the number."""
    begun = run.queued_at
    made = {"message": lambda number: f"line {number} said", **values}
    Log.objects.bulk_create(
        Log(
            runtime=run,
            app_id=run.app_id,
            line_number=number,
            **{
                "logged_at": begun + timedelta(seconds=number),
                **{name: _of(value, number) for name, value in made.items()},
            },
        )
        for number in range(first, last + 1)
    )


def _of(value: Any | Callable[[int], Any], number: int) -> Any:
    return value(number) if callable(value) else value


def session_of(person: User) -> str:
    """The key of a session in which the person is signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.set_expiry(3600)
    session.save()
    key = session.session_key
    assert key is not None
    assert utc_now() < session.get_expiry_date()
    return key
