"""Waiting for what was bought. Nothing here buys, and nothing that goes wrong here loses what was."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from collectors.captcha_solver import SolvedCaptcha
from collectors.contract import Logger
from collectors.toolkit.captcha.codes import GONE
from collectors.toolkit.captcha.errors import (
    LedgerAway,
    Problem,
    SolverRefused,
    SolverUnreachable,
    SolveStopped,
    SolveTimeout,
)
from collectors.toolkit.captcha.ledger import RENEW_S, Purchase, SolveLedger
from collectors.toolkit.captcha.tasks import CaptchaTask
from collectors.toolkit.captcha.waiting import Patience
from collectors.toolkit.errors import CaptchaFailed

T = TypeVar("T")

#: Between two looks at a task whose provider does not answer, at the most.
LONGEST_POLL_S = 15.0
#: What a provider says about a task itself. Everything else it answers while it is polled passes.
FINAL = frozenset({Problem.SOLVE, Problem.PROXY, Problem.TASK})
STOPPED = "The run was asked to stop while a captcha was being solved."


class Polling:
    """Asks providers what became of purchases, and has the ledger know."""

    def __init__(self, ledger: SolveLedger, log: Logger) -> None:
        self._ledger, self._log = ledger, log

    def wait(self, task: CaptchaTask, purchase: Purchase, timeout_s: float | None, patience: Patience) -> SolvedCaptcha:
        """Until it is solved, refused, too late, or `patience` is over. Raises `CaptchaFailed`."""
        try:
            return self._poll(task, purchase, timeout_s or purchase.account.timeout_s, patience)
        except CaptchaFailed:
            raise
        except BaseException:
            # A time limit or a second signal: whoever comes next may collect it.
            self.note(partial(self._ledger.release, purchase))
            raise

    def _poll(self, task: CaptchaTask, purchase: Purchase, timeout_s: float, patience: Patience) -> SolvedCaptcha:
        provider, begun = purchase.account.provider, time.monotonic()
        renewed, wait_s = begun, provider.poll_s
        while True:
            left = begun + timeout_s - time.monotonic()
            if left <= 0:
                self.note(partial(self._ledger.timed_out, purchase))
                raise SolveTimeout(f"{provider.name} did not solve the captcha within {timeout_s:g} s.")
            if not patience.wait(min(wait_s, left)):
                self.note(partial(self._ledger.release, purchase))
                raise SolveStopped(STOPPED)
            try:
                answer = provider.poll(purchase.task_id)
                wait_s = provider.poll_s
            except SolverRefused as error:
                self._end_if_final(purchase, error)
                answer = None
            except SolverUnreachable as error:
                self._log.info("captcha.not_polled", provider=provider.name, reason=str(error))
                answer, wait_s = None, min(1.5 * wait_s, LONGEST_POLL_S)
            if answer is not None:
                expires_at = (answer.solved_at or datetime.now(UTC)) + task.life if task.life else None
                if self.note(partial(self._ledger.ready, purchase, answer, expires_at=expires_at)) is False:
                    raise SolveTimeout("Another process has collected this captcha meanwhile.")
                return SolvedCaptcha(
                    task_id=purchase.task_id,
                    kind=task.kind,
                    solution=answer.solution,
                    cost=purchase.price if answer.cost is None else answer.cost,
                    elapsed_s=round(time.monotonic() - begun, 3),
                    expires_at=expires_at,
                    provider=provider.name,
                    user_agent=answer.user_agent,
                    solve_id=purchase.solve_id,
                )
            if time.monotonic() - renewed >= RENEW_S:
                renewed = time.monotonic()
                self.note(partial(self._ledger.renew, purchase))

    def _end_if_final(self, purchase: Purchase, error: SolverRefused) -> None:
        """What is said of the task ends it. What is said of the account or of the hour passes: the task is paid."""
        if error.problem not in FINAL:
            self._log.info("captcha.not_polled", provider=error.provider, reason=str(error))
            return
        self.note(partial(self._ledger.failed, purchase, error, is_charged=is_charged(error)))
        if error.code == GONE:
            raise SolveTimeout(f"{error.provider} does not keep the task any more.") from error
        raise error

    def note(self, write: Callable[[], T]) -> T | None:
        """Write down what has happened. When that cannot be, it has happened all the same, and is settled later."""
        try:
            return write()
        except LedgerAway as error:
            self._log.warning("captcha.not_written", reason=str(error))
            return None


def is_charged(error: SolverRefused) -> bool:
    """Whether a task costs something although it was refused: people who tried are paid."""
    return error.problem is Problem.SOLVE or error.code == GONE
