"""Where purchases are written down: before they are made, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from collectors.toolkit.captcha.chain import Account
from collectors.toolkit.captcha.errors import SolverRefused
from collectors.toolkit.captcha.provider import Answer, Provider
from collectors.toolkit.captcha.tasks import CaptchaTask

#: Somebody who waits for a task says so this often, and is taken for dead when nothing was heard for the lease.
RENEW_S, LEASE_S = 10.0, 60.0


@dataclass(slots=True)
class Purchase:
    """A row of the ledger, in the hands of whoever waits for it."""

    solve_id: str
    account: Account
    price: Decimal
    """What is reserved for it."""
    holder: str = ""
    """Names who waits: of two that take the same task over, one has it."""
    task_id: str = ""
    submitted_at: datetime | None = None


class SolveLedger(Protocol):
    """Moves of a purchase are made once: False says that somebody else has made one meanwhile.

    planned -> submitted -> ready, failed, timed out, or unknown. Every method may raise `LedgerAway`.
    """

    def accounts(self, task: CaptchaTask) -> Sequence[Account]:
        """Those that may be asked for this task, ranked. Raises `NoSolver`, which says why there is none."""
        ...

    def take_over(self, task: CaptchaTask) -> Purchase | None:
        """A task like this one that this app has bought and nobody waits for any more."""
        ...

    def plan(self, task: CaptchaTask, account: Account) -> Purchase:
        """Reserve its price, and write down that it is going to be bought. Raises `OverBudget`."""
        ...

    def submit(self, purchase: Purchase) -> bool:
        """It is sent now: from here on it may have been bought."""
        ...

    def bought(self, purchase: Purchase, task_id: str) -> None:
        """The provider has it, and calls it so."""
        ...

    def renew(self, purchase: Purchase) -> None:
        """Somebody still waits for it."""
        ...

    def release(self, purchase: Purchase) -> None:
        """Nobody waits for it any more; it may be taken over."""
        ...

    def ready(self, purchase: Purchase, answer: Answer, *, expires_at: datetime | None) -> bool:
        """It is solved."""
        ...

    def failed(self, purchase: Purchase, error: Exception, *, is_charged: bool) -> bool:
        """It was not bought; or it was and cannot be solved, and costs all the same (`is_charged`)."""
        ...

    def timed_out(self, purchase: Purchase) -> bool:
        """Given up. It counts as spent until the provider says what it was."""
        ...

    def unknown(self, purchase: Purchase, error: Exception) -> bool:
        """Whether it was bought is not known. It counts as spent."""
        ...

    def refused(self, account: Account, error: SolverRefused) -> None:
        """The account cannot buy: its key, or its balance."""
        ...

    def report(self, solve_id: str, *, is_correct: bool) -> tuple[Provider, str, str] | None:
        """Write down whether it was right. Its provider, kind and task id; None where nobody is to be told."""
        ...

    def told(self, solve_id: str, *, is_told: bool) -> None:
        """Whether the provider took note."""
        ...

    def let_go(self) -> None:
        """This thread has no more to say."""
        ...

    def close(self) -> None: ...
