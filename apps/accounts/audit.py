"""Who did what that leaves no other row: written once, changed and deleted by nobody but retention."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Any

from apps.accounts.models import AuditEntry, User


def record(
    action: str, subject: str, *, source: str, actor: User | None = None, now: datetime, **details: Any
) -> AuditEntry:
    """Write down that `actor` did `action` (dotted and past: "app.purged") to `subject`, in the caller's transaction.

    Nobody signs in to a shell: without an actor the name is that of the account it belongs to. `details` is JSON.
    """
    name = actor.get_username() if actor is not None else _account() if source == AuditEntry.SHELL else ""
    return AuditEntry.objects.create(
        at=now, actor=actor, actor_name=name, source=source, action=action, subject=subject, details=details
    )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container may run under a number that has no name
