"""What people decide about errors, each decision with its entry in the audit. Each returns how many errors it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.accounts.changes import change_each
from apps.accounts.models import User
from apps.logs.group_models import ErrorGroup

_Groups = QuerySet[ErrorGroup]
State = ErrorGroup.State


class SnoozeIsOver(Exception):
    """The moment until which the group was to be snoozed is past."""


def resolve_groups(groups: _Groups, *, actor: User | None, source: str, now: datetime, note: str | None = None) -> int:
    """Call these resolved; an occurrence after `now` opens a group again."""
    values: dict[str, Any] = {"state": State.RESOLVED, "resolved_at": now, "snoozed_until": None}
    if note is not None:
        values["note"] = note
    return change_each(groups, values, action="errorgroup.resolved", actor=actor, source=source, now=now)


def reopen_groups(groups: _Groups, *, actor: User | None, source: str, now: datetime) -> int:
    """Put these back into the inbox."""
    values = {"state": State.OPEN, "resolved_at": None, "snoozed_until": None}
    return change_each(groups, values, action="errorgroup.reopened", actor=actor, source=source, now=now)


def snooze_groups(groups: _Groups, *, until: datetime, actor: User | None, source: str, now: datetime) -> int:
    """Keep these out of the inbox until a moment. Raises `SnoozeIsOver` when it is past."""
    if until <= now:
        raise SnoozeIsOver("The end of the snooze is past; choose a later moment.")
    values = {"state": State.SNOOZED, "snoozed_until": until, "resolved_at": None}
    return change_each(groups, values, action="errorgroup.snoozed", actor=actor, source=source, now=now)


def describe_groups(groups: _Groups, *, actor: User | None, source: str, now: datetime, **values: Any) -> int:
    """Say who looks at these (`assignee`), and what is known of them (`note`)."""
    return change_each(groups, values, action="errorgroup.changed", actor=actor, source=source, now=now)
