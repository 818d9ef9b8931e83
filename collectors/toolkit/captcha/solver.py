"""Solving: a purchase is written down, bought once, and waited for; which account is asked next when one fails.

1  a task of the same app that was bought and lost is taken over, if there is one
2  the ledger reserves the price and writes the purchase down (planned), then that it is sent now (submitted)
3  createTask, once; no answer at all: unknown, and nothing else is bought
4  the task's number is written down; from here on errors of polling only mean that it is asked again later
5  ready, failed or timed out is written down
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from collectors.captcha_solver import SolvedCaptcha
from collectors.contract import Logger, StopSignal
from collectors.toolkit.captcha.chain import Account
from collectors.toolkit.captcha.errors import (
    AccountRefused,
    LedgerAway,
    NoSolver,
    NotInDryRun,
    PurchaseUnknown,
    SolverBusy,
    SolverRefused,
    SolverUnreachable,
    SolveStopped,
    SolveTimeout,
    TaskRefused,
    Unsolvable,
)
from collectors.toolkit.captcha.ledger import Purchase, SolveLedger
from collectors.toolkit.captcha.polling import STOPPED, Polling
from collectors.toolkit.captcha.provider import Prepared
from collectors.toolkit.captcha.tasks import CaptchaTask
from collectors.toolkit.captcha.waiting import Patience
from collectors.toolkit.errors import CaptchaFailed

T = TypeVar("T")

#: So many purchases are made for one captcha, at the most.
PURCHASES = 3
#: Where every account is busy, they are asked again after a random wait of at most this, which doubles.
BUSY_S, LONGEST_BUSY_S = 4.0, 30.0
#: In an event loop so many captchas are waited for at once.
AT_ONCE = 64


class Solver:
    """`context.captcha`; one for a run, used by all of its threads. See `collectors.contract.CaptchaSolver`."""

    def __init__(
        self, ledger: SolveLedger, *, log: Logger, stop: StopSignal | None = None, dry_run: bool = False
    ) -> None:
        self._ledger, self._log, self._stop, self._dry_run = ledger, log, stop, dry_run
        self._polling = Polling(ledger, log)
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Patience] = set()
        self._lock = threading.Lock()

    # -- What authors use -------------------------------------------------------------------------------------------

    def solve(self, task: CaptchaTask, *, timeout_s: float | None = None, in_dry_run: bool = False) -> SolvedCaptcha:
        """See `CaptchaSolver.solve`."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._solve(task, timeout_s, in_dry_run, Patience(self._stop))
        raise RuntimeError("This holds up the event loop: write `await context.captcha.asolve(...)`.")

    async def asolve(
        self, task: CaptchaTask, *, timeout_s: float | None = None, in_dry_run: bool = False
    ) -> SolvedCaptcha:
        """See `CaptchaSolver.solve`. When the task of the event loop is cancelled, nobody waits any more."""
        patience = Patience(self._stop)
        try:
            return await self._in_thread(partial(self._solve, task, timeout_s, in_dry_run, patience))
        except asyncio.CancelledError:
            patience.given_up.set()
            raise

    def report_correct(self, solved: SolvedCaptcha) -> bool:
        """See `CaptchaSolver.report_correct`."""
        return self._report(solved, is_correct=True)

    def report_incorrect(self, solved: SolvedCaptcha) -> bool:
        """See `CaptchaSolver.report_incorrect`."""
        return self._report(solved, is_correct=False)

    async def areport_correct(self, solved: SolvedCaptcha) -> bool:
        """See `CaptchaSolver.report_correct`."""
        return await self._in_thread(partial(self._report, solved, is_correct=True))

    async def areport_incorrect(self, solved: SolvedCaptcha) -> bool:
        """See `CaptchaSolver.report_incorrect`."""
        return await self._in_thread(partial(self._report, solved, is_correct=False))

    def close(self) -> None:
        """Wait for nothing any more. What was bought and not collected is settled by the platform."""
        with self._lock:
            for patience in self._open:
                patience.given_up.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._ledger.close()

    # -- Buying -----------------------------------------------------------------------------------------------------

    def _solve(self, task: CaptchaTask, timeout_s: float | None, in_dry_run: bool, patience: Patience) -> SolvedCaptcha:  # noqa: FBT001
        if self._dry_run and not in_dry_run:
            raise NotInDryRun("A dry run buys no captchas: solve(..., in_dry_run=True) does.")
        with self._lock:
            self._open.add(patience)
        try:
            purchase = self._ledger.take_over(task)
            if purchase is not None:
                solved = self._collect(task, purchase, timeout_s, patience)
                if solved is not None:
                    return solved
            return self._buy(task, timeout_s, patience)
        finally:
            with self._lock:
                self._open.discard(patience)

    def _collect(
        self, task: CaptchaTask, purchase: Purchase, timeout_s: float | None, patience: Patience
    ) -> SolvedCaptcha | None:
        """What somebody else had bought; None when it is of no use any more."""
        self._log.info("captcha.taken_over", provider=purchase.account.provider.name, task=purchase.task_id)
        try:
            solved = self._polling.wait(task, purchase, timeout_s, patience)
        except (Unsolvable, SolveTimeout, TaskRefused):
            return None
        return None if solved.is_expired() else solved

    def _buy(self, task: CaptchaTask, timeout_s: float | None, patience: Patience) -> SolvedCaptcha:
        accounts, busy = list(self._ledger.accounts(task)), list[Account]()
        purchases, wait_s, refusals = 0, BUSY_S, list[CaptchaFailed]()
        until = time.monotonic() + (timeout_s or max((one.timeout_s for one in accounts), default=0))
        while purchases < PURCHASES:
            if not accounts:
                if not busy or time.monotonic() >= until:
                    raise _none_left(refusals)
                if not patience.wait(random.uniform(0, wait_s)):  # noqa: S311 - a pause, no secret
                    raise SolveStopped(STOPPED)
                accounts, busy, wait_s = busy, [], min(2 * wait_s, LONGEST_BUSY_S)
            account = accounts.pop(0)
            try:
                return self._attempt(task, account, timeout_s, patience)
            except (Unsolvable, SolveTimeout) as error:
                refusals.append(error)
                accounts.append(account)
                purchases += 1
            except (SolverBusy, SolverUnreachable) as error:
                refusals.append(error)
                busy.append(account)
            except AccountRefused as error:
                refusals.append(error)
                self._polling.note(partial(self._ledger.refused, account, error))
            self._log.warning("captcha.failed", provider=account.provider.name, reason=str(refusals[-1]))
        raise refusals[-1]

    def _attempt(
        self, task: CaptchaTask, account: Account, timeout_s: float | None, patience: Patience
    ) -> SolvedCaptcha:
        """One purchase, from its plan to its end."""
        prepared = account.provider.prepare(task)
        if patience.is_over:
            raise SolveStopped(STOPPED)
        purchase = self._ledger.plan(task, account)
        self._create(purchase, prepared)
        return self._polling.wait(task, purchase, timeout_s, patience)

    def _create(self, purchase: Purchase, prepared: Prepared) -> None:
        """Buy it, once."""
        if not self._ledger.submit(purchase):
            raise LedgerAway("The purchase of a captcha was settled before it was made; nothing was bought.")
        try:
            task_id = purchase.account.provider.create(prepared)
        except (SolverRefused, SolverUnreachable) as error:
            self._polling.note(partial(self._ledger.failed, purchase, error, is_charged=False))
            raise
        except PurchaseUnknown as error:
            self._polling.note(partial(self._ledger.unknown, purchase, error))
            raise
        purchase.task_id = task_id
        self._polling.note(partial(self._ledger.bought, purchase, task_id))

    # -- Reporting --------------------------------------------------------------------------------------------------

    def _report(self, solved: SolvedCaptcha, *, is_correct: bool) -> bool:
        try:
            found = self._ledger.report(solved.solve_id, is_correct=is_correct)
        except LedgerAway as error:
            self._log.warning("captcha.not_reported", task=solved.task_id, reason=str(error))
            return False
        if found is None:
            return False
        provider, kind, task_id = found
        try:
            is_told = provider.report(kind, task_id, is_correct=is_correct)
        except CaptchaFailed as error:
            self._log.info("captcha.report_refused", provider=provider.name, task=task_id, reason=str(error))
            is_told = False
        self._polling.note(partial(self._ledger.told, solved.solve_id, is_told=is_told))
        return is_told

    # -- Help -------------------------------------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            # Of its own: those who wait here for half a minute would fill the one that everybody shares.
            self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="captcha")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._letting_go, work)

    def _letting_go(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._ledger.let_go()


def _none_left(refusals: list[CaptchaFailed]) -> Exception:
    """Nobody can be asked any more."""
    if all(isinstance(error, AccountRefused) for error in refusals):
        said = " ".join(str(error) for error in refusals)
        return NoSolver(f"No solver of captchas can buy anything. {said}".strip())
    return next(error for error in reversed(refusals) if not isinstance(error, AccountRefused))
