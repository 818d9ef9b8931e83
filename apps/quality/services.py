"""What people decide: a merge is let through, a row is thrown away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.quality.models import LetThrough, QuarantinedRow

#: So long somebody's word counts, if no merge uses it.
LASTS = timedelta(days=7)


@transaction.atomic
def let_through(label: str, *, actor: User | None, source: str, now: datetime) -> LetThrough:
    """Have the next merge into a dataset pass, whatever the rules about merges say; asked twice, it counts once.

    Rules about rows still hold. It is used up by the next merge that could take rows away, and lasts for a week.
    """
    LetThrough.objects.filter(dataset=label, used_at__isnull=True, expires_at__lte=now).delete()
    entry = record("quality.let_through", label, source=source, actor=actor, now=now)
    granted, _ = LetThrough.objects.get_or_create(
        dataset=label,
        used_at=None,
        defaults={
            "granted_by": actor,
            "granted_name": entry.actor_name or source.lower(),
            "granted_at": now,
            "expires_at": now + LASTS,
        },
    )
    return granted


@transaction.atomic
def discard(ids: Iterable[int], *, actor: User | None, source: str, now: datetime) -> int:
    """Throw rows away that are still held; how many there were. They stay in the table, as what they are."""
    held = QuarantinedRow.objects.filter(pk__in=list(ids), state=QuarantinedRow.State.HELD)
    by = actor.get_username() if actor else ""
    count = held.update(state=QuarantinedRow.State.DISCARDED, settled_at=now, settled_by=by)
    if count:
        record("quality.discarded", "quarantined rows", source=source, actor=actor, now=now, rows=count)
    return count
