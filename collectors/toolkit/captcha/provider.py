"""What a solver has to be able to do. Buying and waiting are apart: nothing here does both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from collectors.toolkit.captcha.tasks import CaptchaTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A task that is solved."""

    solution: str
    cost: Decimal | None
    """In US dollars; None where the provider does not say."""
    solved_at: datetime | None = None
    """By the provider's clock."""
    user_agent: str = ""


#: A task in the words of its provider.
Prepared = Mapping[str, Any]


class Provider(Protocol):
    """One account at one provider. Every method may be called by several threads at once."""

    @property
    def name(self) -> str: ...

    @property
    def poll_s(self) -> float:
        """Between two looks at a task."""
        ...

    def prepare(self, task: CaptchaTask) -> Prepared:
        """The task as it is sent. Sends nothing. Raises `TaskRefused`."""
        ...

    def create(self, prepared: Prepared) -> str:
        """Buy it: the id of the task. Sent once, whatever happens.

        Raises `SolverRefused` (not bought), `SolverUnreachable` (not sent) and `PurchaseUnknown`.
        """
        ...

    def poll(self, task_id: str) -> Answer | None:
        """What became of a task; None while it is worked on. Raises `SolverRefused` and `SolverUnreachable`."""
        ...

    def balance(self) -> Decimal:
        """What is left, in US dollars. Raises `SolverRefused` and `SolverUnreachable`."""
        ...

    def report(self, kind: str, task_id: str, *, is_correct: bool) -> bool:
        """Tell whether a solution was right. False where the provider does not want to know."""
        ...

    def close(self) -> None: ...
