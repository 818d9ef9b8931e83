"""How a purchase ends, and what that does to the sums. Each end is reached once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.captcha.budget import correct
from apps.captcha.models import Solve, SolverAccount
from apps.captcha.money import rounded
from collectors.toolkit.captcha.errors import Problem, SolverRefused
from collectors.toolkit.captcha.provider import Answer

State = Solve.State


@dataclass(frozen=True, slots=True)
class End:
    """Where a purchase arrives."""

    state: State
    cost: Decimal | None = None
    """What it cost; None: what was reserved goes on counting."""
    is_cost_known: bool = False
    is_settled: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)


#: Its provider is still to be asked what it cost.
TIMED_OUT = End(State.TIMED_OUT, is_settled=False, values={"said": "It was not solved in time."})
#: A plan whose process is gone, before anything was sent.
NEVER_SENT = End(State.FAILED, Decimal(0), is_cost_known=True, values={"said": "Its process ended before it was sent."})


def ready(answer: Answer) -> End:
    """It is solved."""
    return End(State.READY, answer.cost, is_cost_known=answer.cost is not None)


def failed(error: Exception, *, is_charged: bool) -> End:
    """It was refused."""
    values: dict[str, Any] = {"said": str(error)[:500]}
    if isinstance(error, SolverRefused):
        values |= {"problem": error.problem, "error_id": error.error_id, "error_code": error.code[:80]}
    return End(State.FAILED, None if is_charged else Decimal(0), is_cost_known=not is_charged, values=values)


def unknown(said: str) -> End:
    """It was sent, and nobody knows whether it arrived."""
    return End(State.UNKNOWN, values={"said": said[:500]})


def end_solve(
    pk: int, end: End, *, now: datetime, holder: str | None = None, more: Mapping[str, Any] | None = None
) -> bool:
    """End an open purchase; False when it has ended, or is somebody else's. Within the transaction of the caller.

    `holder` is who waits for it; None does not ask.
    """
    row = Solve.objects.filter(pk=pk).first()
    if row is None:
        return False
    mine = Solve.objects.filter(pk=pk, state__in=Solve.OPEN, **({} if holder is None else {"holder": holder}))
    cost = row.cost if end.cost is None else rounded(end.cost)
    since = row.submitted_at or row.planned_at
    changed = mine.update(
        state=end.state,
        cost=cost,
        is_cost_known=end.is_cost_known,
        is_settled=end.is_settled,
        ended_at=now,
        held_until=now,
        elapsed_s=round(max(0.0, (now - since).total_seconds()), 3),
        **end.values,
        **(more or {}),
    )
    if changed:
        correct(app_code=row.app_code, day=row.day, difference=cost - row.cost)
    return bool(changed)


def settle_late(row: Solve, *, cost: Decimal | None, said: str) -> bool:
    """What is learnt of a purchase that nobody waits for any more. `cost` None: nothing, what was reserved stays."""
    new = row.cost if cost is None else rounded(cost)
    mine = Solve.objects.filter(pk=row.pk, state=State.TIMED_OUT, is_settled=False)
    changed = mine.update(cost=new, is_cost_known=cost is not None, is_settled=True, said=said[:500])
    if changed:
        correct(app_code=row.app_code, day=row.day, difference=new - row.cost)
    return bool(changed)


def note_verdict(row: Solve, *, is_correct: bool, now: datetime) -> None:
    """Whether a solution was right; the last word counts."""
    Solve.objects.filter(pk=row.pk).update(is_correct=is_correct, reported_at=now)


def rest(account_id: int, error: SolverRefused, *, now: datetime, until: datetime) -> None:
    """An account cannot buy: it is left alone for a while. No money left is as low as a balance gets."""
    accounts = SolverAccount.objects.filter(pk=account_id)
    accounts.update(rests_until=until, said=str(error)[:500])
    if error.problem is Problem.BALANCE:
        accounts.update(balance=Decimal(0), balance_at=now)
        accounts.filter(low_since__isnull=True).update(low_since=now)
