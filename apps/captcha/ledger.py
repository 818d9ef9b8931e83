"""The ledger of a run: `toolkit.captcha.ledger.SolveLedger` in the platform's database.

Every method is a transaction of its own and refuses to be a part of another one: what was bought stays bought when
somebody else's rows are rolled back.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, connections, transaction

from apps.captcha import moves
from apps.captcha.budget import reserve, today
from apps.captcha.models import Solve, SolverAccount
from apps.captcha.money import rounded
from apps.captcha.providers import provider_of
from apps.captcha.standing import standing_of
from apps.core.clock import utc_now
from apps.core.encryption.keys import EncryptionError
from collectors.identity import AppInfo
from collectors.toolkit.captcha.chain import Account, ranked
from collectors.toolkit.captcha.errors import LedgerAway, NoSolver, SolverRefused
from collectors.toolkit.captcha.ledger import LEASE_S, Purchase
from collectors.toolkit.captcha.provider import Answer, Provider
from collectors.toolkit.captcha.tasks import CaptchaTask

LEASE = timedelta(seconds=LEASE_S)
#: An account that cannot buy is not asked again before.
REST = timedelta(minutes=10)
#: A task that was bought longer ago is not kept by its provider.
KEPT = timedelta(minutes=10)
State = Solve.State


class DjangoLedger:
    """For one run. Used by all of its threads."""

    def __init__(
        self, app: AppInfo, *, app_id: int | None, runtime_id: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._app, self._app_id, self._runtime_id, self._clock = app, app_id, runtime_id, clock
        self._providers: dict[int, Provider] = {}
        self._lock = threading.Lock()

    # -- Whom to ask ------------------------------------------------------------------------------------------------

    def accounts(self, task: CaptchaTask) -> Sequence[Account]:
        """See `SolveLedger`."""
        now, usable, why = self._clock(), list[Account](), list[str]()
        with _own_transaction():
            for row in SolverAccount.objects.filter(is_active=True):
                if row.rests_until is not None and row.rests_until > now:
                    why.append(f"{row.name} rests until {row.rests_until:%H:%M} UTC: {row.said}")
                    continue
                try:
                    usable.append(self._account(row, task, now))
                except EncryptionError as error:
                    why.append(f"The key of {row.name} cannot be read: {error}")
        if not usable:
            said = " ".join(why) or "An administrator adds an account under Captchas, Solver accounts."
            raise NoSolver(f"There is no solver of captchas to ask. {said}")
        return ranked(usable)

    def _account(self, row: SolverAccount, task: CaptchaTask, now: datetime) -> Account:
        standing = standing_of(row.pk, kind=task.kind, site=task.site, now=now)
        return Account(
            key=row.pk,
            provider=self._provider(row),
            order=row.order,
            price=rounded(row.price_of(task.kind) if standing.price is None else standing.price),
            tried=standing.tried,
            solved=standing.solved,
            mean_s=standing.mean_s,
            timeout_s=row.timeout_s,
        )

    def _provider(self, row: SolverAccount) -> Provider:
        with self._lock:
            if row.pk not in self._providers:
                self._providers[row.pk] = provider_of(row)
            return self._providers[row.pk]

    def refused(self, account: Account, error: SolverRefused) -> None:
        """See `SolveLedger`."""
        with _own_transaction():
            moves.rest(account.key, error, now=self._clock(), until=self._clock() + REST)

    # -- Buying -----------------------------------------------------------------------------------------------------

    def take_over(self, task: CaptchaTask) -> Purchase | None:
        """See `SolveLedger`."""
        now = self._clock()
        with _own_transaction():
            lost = Solve.objects.filter(
                app=self._app_id,
                digest=task.digest,
                state=State.SUBMITTED,
                held_until__lt=now,
                submitted_at__gt=now - KEPT,
                account__is_active=True,
            ).exclude(task_id="")
            for row in lost.select_related("account").order_by("submitted_at")[:3]:
                holder = uuid.uuid4().hex
                mine = Solve.objects.filter(pk=row.pk, state=State.SUBMITTED, holder=row.holder, held_until__lt=now)
                # None is an account that was deleted in between.
                if row.account is None or not mine.update(holder=holder, held_until=now + LEASE):
                    continue
                account = self._account(row.account, task, now)
                return Purchase(str(row.pk), account, row.price, holder, row.task_id, row.submitted_at)
        return None

    def plan(self, task: CaptchaTask, account: Account) -> Purchase:
        """See `SolveLedger`."""
        now, holder = self._clock(), uuid.uuid4().hex
        with _own_transaction():
            day = today(now)
            reserve(app_id=self._app_id, app_code=self._app.code, price=account.price, day=day)
            row = Solve.objects.create(
                app_id=self._app_id,
                app_code=self._app.code,
                runtime_id=self._runtime_id,
                account_id=account.key,
                provider=account.provider.name,
                kind=task.kind,
                page_url=task.page,
                site=task.site,
                digest=task.digest,
                day=day,
                price=account.price,
                cost=account.price,
                planned_at=now,
                holder=holder,
                held_until=now + LEASE,
            )
        return Purchase(str(row.pk), account, account.price, holder)

    def submit(self, purchase: Purchase) -> bool:
        """See `SolveLedger`."""
        now = self._clock()
        return self._change(purchase, (State.PLANNED,), state=State.SUBMITTED, submitted_at=now, held_until=now + LEASE)

    def bought(self, purchase: Purchase, task_id: str) -> None:
        """See `SolveLedger`."""
        self._change(purchase, (State.SUBMITTED,), task_id=task_id[:64], held_until=self._clock() + LEASE)

    def renew(self, purchase: Purchase) -> None:
        """See `SolveLedger`."""
        self._change(purchase, Solve.OPEN, held_until=self._clock() + LEASE)

    def release(self, purchase: Purchase) -> None:
        """See `SolveLedger`."""
        self._change(purchase, Solve.OPEN, held_until=self._clock())

    # -- What became of it ------------------------------------------------------------------------------------------

    def ready(self, purchase: Purchase, answer: Answer, *, expires_at: datetime | None) -> bool:
        """See `SolveLedger`."""
        return self._end(purchase, moves.ready(answer), expires_at=expires_at)

    def failed(self, purchase: Purchase, error: Exception, *, is_charged: bool) -> bool:
        """See `SolveLedger`."""
        return self._end(purchase, moves.failed(error, is_charged=is_charged))

    def timed_out(self, purchase: Purchase) -> bool:
        """See `SolveLedger`."""
        return self._end(purchase, moves.TIMED_OUT)

    def unknown(self, purchase: Purchase, error: Exception) -> bool:
        """See `SolveLedger`."""
        return self._end(purchase, moves.unknown(str(error)))

    def report(self, solve_id: str, *, is_correct: bool) -> tuple[Provider, str, str] | None:
        """See `SolveLedger`."""
        with _own_transaction():
            row = Solve.objects.select_related("account").filter(pk=int(solve_id)).first()
            if row is None:
                return None
            moves.note_verdict(row, is_correct=is_correct, now=self._clock())
            try:
                provider = self._provider(row.account) if row.account else None
            except EncryptionError:
                return None
        return (provider, row.kind, row.task_id) if provider and row.task_id else None

    def told(self, solve_id: str, *, is_told: bool) -> None:
        """See `SolveLedger`."""
        with _own_transaction():
            Solve.objects.filter(pk=int(solve_id)).update(is_told=is_told)

    def let_go(self) -> None:
        """See `SolveLedger`."""
        connections.close_all()

    def close(self) -> None:
        """See `SolveLedger`."""
        with self._lock:
            for provider in self._providers.values():
                provider.close()

    def _change(self, purchase: Purchase, states: Sequence[str], **values: Any) -> bool:
        with _own_transaction():
            mine = Solve.objects.filter(pk=int(purchase.solve_id), holder=purchase.holder, state__in=states)
            return bool(mine.update(**values))

    def _end(self, purchase: Purchase, end: moves.End, **values: Any) -> bool:
        with _own_transaction():
            return moves.end_solve(int(purchase.solve_id), end, now=self._clock(), holder=purchase.holder, more=values)


@contextmanager
def _own_transaction() -> Iterator[None]:
    """Raises `LedgerAway` when the database does not answer, or the caller is inside of a transaction."""
    try:
        # A captcha takes seconds, and its database may have been started anew since the last one.
        if not connection.in_atomic_block and connection.connection is not None and not connection.is_usable():
            connection.close()
        with transaction.atomic(durable=True):
            yield
    except (DatabaseError, InterfaceError) as error:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        reason = str(error).strip().partition("\n")[0]
        raise LedgerAway(f"The ledger of captchas cannot be written, so nothing is bought: {reason}") from error
    except RuntimeError as error:
        if not connection.in_atomic_block:
            raise
        raise LedgerAway(
            "A captcha cannot be solved inside of a transaction: what was bought would be rolled back with its rows. "
            "Solve it before."
        ) from error
