"""Which account is asked first: the order people gave them, then what they have done lately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from collectors.toolkit.captcha.provider import Provider

#: Of fewer tries nothing is concluded.
ENOUGH = 10
#: An account that solves less than this share of what it is asked goes behind all others.
POOR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and how it did lately with captchas of one kind on one site."""

    key: int
    """What the ledger calls it."""
    provider: Provider
    order: int = 0
    """Smaller is asked first; equals are told apart by what they have done."""
    price: Decimal
    """What one costs, as far as is known: so much is reserved."""
    tried: int = 0
    solved: int = 0
    mean_s: float = 0.0
    timeout_s: float = 120.0

    @property
    def success(self) -> float:
        """The share that it solved, drawn towards one half while there are few."""
        return (self.solved + 1) / (self.tried + 2)

    @property
    def is_poor(self) -> bool:
        """Whether it fails more often than not, and has been tried often enough to say so."""
        return self.tried >= ENOUGH and self.solved < POOR * self.tried

    @property
    def effort(self) -> float:
        """Price of one that is solved, made dearer by waiting: as long as the time limit counts as twice the price."""
        return float(self.price) / self.success * (1 + self.mean_s / self.timeout_s)


def ranked(accounts: Iterable[Account]) -> list[Account]:
    """In the order in which they are to be asked."""
    return sorted(accounts, key=lambda one: (one.is_poor, one.order, one.effort, one.key))
