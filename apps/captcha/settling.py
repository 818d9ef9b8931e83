"""What nobody waits for any more: asked for once, a little at a time, outside of any transaction."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Q

from apps.captcha import moves
from apps.captcha.models import Solve
from apps.captcha.providers import provider_of
from apps.core.encryption.keys import EncryptionError
from collectors.toolkit.captcha.errors import SolverRefused, SolverUnreachable
from collectors.toolkit.captcha.polling import FINAL, is_charged
from collectors.toolkit.captcha.provider import Answer, Provider

log = structlog.get_logger("captcha")

State = Solve.State
#: A bought task that is still worked on after this long never gets ready.
LONGEST = timedelta(minutes=15)
#: For so long after its process is gone a task waits for the next run of its app.
PATIENCE = timedelta(minutes=2)
BATCH = 200
#: A provider that does not answer holds up nobody else for longer.
TIMEOUT_S = 5.0


def settle(*, now: datetime, max_seconds: float = 10.0) -> int:
    """Settle purchases whose process is gone, and ask what those cost that took too long. How many were settled."""
    begun, settled = time.monotonic(), 0
    providers: dict[int, Provider | None] = {}
    due = Solve.objects.filter(Q(state__in=Solve.OPEN) | Q(state=State.TIMED_OUT), is_settled=False)
    try:
        for row in due.filter(held_until__lt=now - PATIENCE).select_related("account").order_by("held_until")[:BATCH]:
            settled += _settle(row, providers, now)
            if time.monotonic() - begun >= max_seconds:
                break
    finally:
        for provider in providers.values():
            if provider is not None:
                provider.close()
    return settled


def _settle(row: Solve, providers: dict[int, Provider | None], now: datetime) -> bool:
    if row.state == State.PLANNED:
        return _end(row, moves.NEVER_SENT, now)
    if not row.task_id:
        return _end(row, moves.unknown("Its process ended before the answer came; it may have been bought."), now)
    found = _look(row, providers)
    if isinstance(found, Answer):
        if row.state == State.TIMED_OUT:
            return _late(row, found.cost, "Solved when nobody waited for it any more.")
        return _end(row, moves.ready(found), now)
    if isinstance(found, SolverRefused):
        if row.state == State.TIMED_OUT:
            return _late(row, None if is_charged(found) else Decimal(0), str(found))
        return _end(row, moves.failed(found, is_charged=is_charged(found)), now)
    if now - (row.submitted_at or row.planned_at) < LONGEST:
        # In the order of `held_until` the others have their turn first.
        Solve.objects.filter(pk=row.pk, held_until=row.held_until, is_settled=False).update(held_until=now)
        return False
    if row.state == State.TIMED_OUT:
        return _late(row, None, "Nobody could say what it cost.")
    return _end(row, moves.unknown("Its process is gone, and its provider does not say what became of it."), now)


def _look(row: Solve, providers: dict[int, Provider | None]) -> Answer | SolverRefused | None:
    """What the provider says of a task; None: nothing yet."""
    account = row.account
    if account is None:
        return None
    if account.pk not in providers:
        try:
            providers[account.pk] = provider_of(account, timeout_s=TIMEOUT_S)
        except EncryptionError as error:
            log.warning("captcha.not_settled", account=account.name, reason=str(error))
            providers[account.pk] = None
    provider = providers[account.pk]
    if provider is None:
        return None
    try:
        return provider.poll(row.task_id)
    except SolverRefused as error:
        return error if error.problem in FINAL else None
    except SolverUnreachable as error:
        # The others of this account would wait as long for nothing.
        log.info("captcha.not_settled", account=account.name, reason=str(error))
        provider.close()
        providers[account.pk] = None
        return None


def _end(row: Solve, end: moves.End, now: datetime) -> bool:
    with transaction.atomic():
        return moves.end_solve(row.pk, end, now=now, holder=row.holder)


def _late(row: Solve, cost: Decimal | None, said: str) -> bool:
    with transaction.atomic():
        return moves.settle_late(row, cost=cost, said=said)
