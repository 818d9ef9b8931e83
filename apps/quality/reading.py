"""What a merge has to know from the platform's database: rules, history, and whether somebody lets it through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import DatabaseError
from django.db.models import F, Q

from apps.core.clock import utc_now
from apps.quality.models import Dataset, LetThrough, Measurement, Outcome, Rule

log = structlog.get_logger("quality")

#: So many earlier merges say what is usual.
HISTORY = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a dataset when a merge begins."""

    label: str
    rules: Sequence[Rule] = ()
    let_through_by: str = ""
    is_away: bool = False

    @property
    def is_let_through(self) -> bool:
        """Whether somebody has said that the next merge is right."""
        return bool(self.let_through_by)

    def history(self, scope: str) -> list[int]:
        """The rows of the newest complete merges with this scope that were stored, newest first."""
        return [] if self.is_away else history_of(self.label, scope)

    def last_good_at(self) -> datetime | None:
        """When a merge was stored last."""
        if self.is_away:
            return None
        return Dataset.objects.filter(label=self.label).values_list("good_at", flat=True).first()


def known_of(label: str) -> Known:
    """What is known of a dataset.

    While the platform's database is away, what the room and the defaults say still holds: a run that can store its rows
    elsewhere goes on.
    """
    try:
        rules = list(Rule.objects.filter(label=label, is_enabled=True))
        open_ones = LetThrough.objects.filter(dataset=label, used_at__isnull=True, expires_at__gt=utc_now())
        let_through = open_ones.values_list("granted_name", flat=True).first()
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        log.warning("quality.rules_not_read", dataset=label, reason=reason)
        return Known(label, is_away=True)
    return Known(label, rules, let_through or "")


def history_of(label: str, scope: str, *, most: int = HISTORY) -> list[int]:
    """See `Known.history`."""
    stored = Measurement.objects.filter(dataset__label=label, scope=scope, is_complete=True)
    good = stored.exclude(outcome=Outcome.BLOCK).order_by("-at", "-id")
    return list(good.values_list(F("seen") - F("quarantined"), flat=True)[:most])


def take_let_through(label: str, run_id: str, *, now: datetime, taken: int | None) -> LetThrough | None:
    """Use up what somebody granted, in the caller's transaction if there is one.

    One guarded UPDATE: of two merges at once, one is let through. `taken`: what this merge took in an attempt before;
    it is still its own, whether the transaction that took it was undone or not.
    """
    open_or_own = Q(used_at__isnull=True, expires_at__gt=now)
    if taken is not None:
        open_or_own |= Q(pk=taken, used_by_run=run_id)
    granted = LetThrough.objects.filter(open_or_own, dataset=label).order_by("-used_at").first()
    if granted is None:
        return None
    mine = LetThrough.objects.filter(open_or_own, pk=granted.pk)
    return granted if mine.update(used_at=now, used_by_run=run_id) else None
