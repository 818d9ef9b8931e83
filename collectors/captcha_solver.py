"""The part of the contract that solves captchas; `collectors.contract` is where sources import it from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedCaptcha:
    """A captcha that was solved, and what that took."""

    task_id: str
    """What the provider calls it."""
    kind: str
    """`image`, `recaptcha_v2`, `recaptcha_v3` or `turnstile`."""
    solution: str
    """The text of an image; else the token that the page sends along with its form."""
    cost: Decimal
    """In US dollars."""
    elapsed_s: float
    expires_at: datetime | None = None
    """Until when a token is taken by its site; None: the solution does not age."""
    provider: str = ""
    """The account that solved it, by its name."""
    user_agent: str = ""
    """The browser in which it was solved, where the provider says so: some sites want the token from the same one."""
    solve_id: str = ""
    """Its row in the ledger."""

    def is_expired(self, now: datetime | None = None) -> bool:
        """Whether it is too late to hand it in."""
        return self.expires_at is not None and (now or datetime.now(UTC)) >= self.expires_at


class CaptchaSolver(Protocol):
    """`context.captcha`: captchas are solved by people who are paid for it (docs/captcha.md).

    A task is one of `collectors.toolkit.captcha`: `ImageTask`, `RecaptchaV2`, `RecaptchaV3`, `Turnstile`. Errors are
    those of `collectors.toolkit.captcha.errors`.
    """

    def solve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> SolvedCaptcha:
        """Have it solved, and wait for it: 10 to 60 s as a rule.

        A purchase that takes longer than `timeout_s` (that of the account) is given up, and another one made, up to
        three. A dry run buys nothing, and raises `NotInDryRun`, which leaves the item out, unless `in_dry_run` is true.
        """
        ...

    async def asolve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> SolvedCaptcha:
        """`solve`, in an event loop."""
        ...

    def report_correct(self, solved: SolvedCaptcha) -> bool:
        """The site took it. Always written down; True if the provider took note as well. Raises nothing."""
        ...

    def report_incorrect(self, solved: SolvedCaptcha) -> bool:
        """The site did not take it. Always written down; True if the provider took note as well. Raises nothing."""
        ...

    async def areport_correct(self, solved: SolvedCaptcha) -> bool:
        """See `report_correct`."""
        ...

    async def areport_incorrect(self, solved: SolvedCaptcha) -> bool:
        """See `report_incorrect`."""
        ...


class NoCaptcha:
    """For contexts that have no solver."""

    def solve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> NoReturn:
        raise LookupError("There is no solver of captchas in this context.")

    async def asolve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> NoReturn:
        raise LookupError("There is no solver of captchas in this context.")

    def report_correct(self, solved: SolvedCaptcha) -> bool:
        return False

    def report_incorrect(self, solved: SolvedCaptcha) -> bool:
        return False

    async def areport_correct(self, solved: SolvedCaptcha) -> bool:
        return False

    async def areport_incorrect(self, solved: SolvedCaptcha) -> bool:
        return False
