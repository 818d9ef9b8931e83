"""The manners of a run. Apart from `services.py`, which pages import: this knows how to fetch."""

from __future__ import annotations

from django.conf import settings

from apps.politeness.ledger import DatabaseLedger
from collectors.loader import Source
from collectors.toolkit.politeness.manners import Manners
from collectors.toolkit.politeness.pauses import Pause


def manners_of(source: Source) -> Manners:
    """How the runs of a source behave, together with those of all others."""
    low_s, high_s = settings.DC_POLITE_DELAY_S
    ledger = DatabaseLedger(at_once=settings.DC_POLITE_AT_ONCE)
    default = Pause(low_s, max(low_s, high_s))
    return Manners(ledger, pause=source.pause, default=default, obeys_robots=source.obeys_robots)
