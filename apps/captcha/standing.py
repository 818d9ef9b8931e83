"""How the accounts did lately: what one of a kind cost last, how many were solved, how long that took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from apps.captcha.models import Solve

#: What is older says nothing about now.
WINDOW = timedelta(days=1)
#: So many of the newest purchases of an account are looked at.
LATEST = 50
State = Solve.State
#: Refusals that say something about the hour, the key or the task, and nothing about who solves.
_OUTSIDE = ("auth", "balance", "rate_limit", "task", "proxy")


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one account, with one kind of captcha on one site."""

    price: Decimal | None = None
    """What the last one cost; None: not known."""
    tried: int = 0
    solved: int = 0
    mean_s: float = 0.0


def standing_of(account_id: int, *, kind: str, site: str, now: datetime) -> Standing:
    """What the last purchases show."""
    rows = Solve.objects.filter(account=account_id, kind=kind, planned_at__gt=now - WINDOW)
    latest = rows.order_by("-planned_at").values_list("state", "site", "problem", "cost", "is_cost_known", "elapsed_s")
    found = [row for row in latest[:LATEST] if row[0] not in Solve.OPEN]
    price = next((cost for state, _, _, cost, known, _ in found if known and state == State.READY), None)
    here = [row for row in found if row[1] == site and row[2] not in _OUTSIDE]
    times = [row[5] for row in here if row[0] == State.READY and row[5] is not None]
    solved = sum(row[0] == State.READY for row in here)
    return Standing(price, len(here), solved, sum(times) / len(times) if times else 0.0)
