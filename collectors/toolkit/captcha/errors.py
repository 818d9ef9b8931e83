"""What can go wrong with a captcha; part of the tree in `toolkit/errors.py`.

CaptchaFailed                category "captcha"
|-- SolverRefused            a solver answered with an error: `provider`, `error_id`, `code`, `problem`
|   |-- TaskRefused              the task is wrong: the source has to be mended
|   |-- ProxyRefused             category "proxy": the proxy of the task does not do; take another one
|   |-- SolverBusy               too many at once; later
|   |-- Unsolvable               nobody could solve it; another one may do
|   `-- AccountRefused           the key or the balance; the next account is asked
|-- SolverUnreachable        nothing was sent, so nothing was bought
|-- PurchaseUnknown          sent, and no answer came: it may have been bought, and is not sent again
|-- SolveTimeout             not solved in time
|-- SolveStopped             the run was asked to stop meanwhile
`-- LedgerAway               the ledger cannot be written, so nothing is bought
Blocker
`-- CaptchaBlocked           category "captcha"
    |-- NoSolver                 no account is there, or none can buy anything
    `-- OverBudget               category "budget": what may be spent today is spent
SkipItem
`-- NotInDryRun              a dry run buys nothing unless it is asked to
"""

from __future__ import annotations

from enum import StrEnum

from collectors.toolkit.errors import Blocker, CaptchaFailed, Reaction, SkipItem


class Problem(StrEnum):
    """What kind of error a provider answered with; says what is best done."""

    AUTH = "auth"
    """The key is wrong, or may not be used from here: a person has to act."""
    BALANCE = "balance"
    """There is no money left: a person has to act."""
    PROXY = "proxy"
    """Another proxy may work."""
    TASK = "task"
    """The task is wrong: the code of the source."""
    SOLVE = "solve"
    """Nobody could solve it: try again, or leave it out."""
    RATE_LIMIT = "rate_limit"
    """Wait, then again."""
    UNKNOWN = "unknown"


class SolverRefused(CaptchaFailed):
    """A solver answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        error_id: int = 0,
        code: str = "",
        problem: Problem = Problem.UNKNOWN,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        """The account, by its name."""
        self.error_id = error_id
        self.code = code
        """What the provider calls the error, such as ERROR_ZERO_BALANCE."""
        self.problem = problem


class TaskRefused(SolverRefused):
    """The task is wrong as the source wrote it; the same one is refused again."""

    reaction = Reaction.STOP


class ProxyRefused(SolverRefused):
    """The solver could not work through the proxy of the task."""

    category = "proxy"
    reaction = Reaction.ROTATE


class SolverBusy(SolverRefused):
    """The solver takes no more at the moment."""


class Unsolvable(SolverRefused):
    """The solver gave the captcha up."""


class AccountRefused(SolverRefused):
    """The account cannot buy: its key, or its balance."""

    reaction = Reaction.STOP


class SolverUnreachable(CaptchaFailed):
    """There was no connection to the solver, or no answer that makes sense."""


class PurchaseUnknown(CaptchaFailed):
    """A task was sent and no answer came back. It counts as spent, and is not sent again by itself."""


class SolveTimeout(CaptchaFailed):
    """It took too long."""


class SolveStopped(CaptchaFailed):
    """The run was asked to stop. What was bought is settled later."""

    reaction = Reaction.STOP


class LedgerAway(CaptchaFailed):
    """What is bought cannot be written down, so nothing is bought."""


class CaptchaBlocked(Blocker):
    """No captcha can be solved until a person has done something."""

    category = "captcha"


class NoSolver(CaptchaBlocked):
    """No account can buy."""


class OverBudget(CaptchaBlocked):
    """What the app, or the installation, may spend on a day is spent."""

    category = "budget"


class NotInDryRun(SkipItem):
    """A dry run buys nothing."""


#: Problem -> the error that says so.
_CLASSES: dict[Problem, type[SolverRefused]] = {
    Problem.AUTH: AccountRefused,
    Problem.BALANCE: AccountRefused,
    Problem.PROXY: ProxyRefused,
    Problem.TASK: TaskRefused,
    Problem.SOLVE: Unsolvable,
    Problem.RATE_LIMIT: SolverBusy,
    Problem.UNKNOWN: SolverRefused,
}


def refusal(problem: Problem, *, provider: str, error_id: int, code: str, said: str = "") -> SolverRefused:
    """The error for what a provider answered."""
    about = f"{provider} refused: {code or f'error {error_id}'}"
    message = f"{about} ({said.rstrip('.')})." if said else f"{about}."
    return _CLASSES[problem](message, provider=provider, error_id=error_id, code=code, problem=problem)
