"""A shop that sells solutions, and a ledger in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from collectors.toolkit.captcha.anticaptcha import AntiCaptcha
from collectors.toolkit.captcha.chain import Account
from collectors.toolkit.captcha.errors import LedgerAway, NoSolver, OverBudget, SolverRefused
from collectors.toolkit.captcha.ledger import Purchase
from collectors.toolkit.captcha.provider import Answer, Provider
from collectors.toolkit.captcha.solver import Solver
from collectors.toolkit.captcha.tasks import CaptchaTask
from collectors.toolkit.testing import RecordingLog
from tests.servers.anticaptcha import Shop, anticaptcha


class MemoryLedger:
    """Every row as a dict, and every state that it went through."""

    def __init__(self, *accounts: Account, budget: Decimal = Decimal(100)) -> None:
        self.known, self.budget = list(accounts), budget
        self.rows: list[dict[str, Any]] = []
        self.lost: list[Purchase] = []
        self.refusals: list[str] = []
        self.is_away = False
        self._lock = threading.Lock()

    @property
    def states(self) -> list[str]:
        return [row["state"] for row in self.rows]

    def accounts(self, _task: CaptchaTask) -> Sequence[Account]:
        if not self.known:
            raise NoSolver("There is no account.")
        return self.known

    def take_over(self, _task: CaptchaTask) -> Purchase | None:
        return self.lost.pop() if self.lost else None

    def plan(self, task: CaptchaTask, account: Account) -> Purchase:
        with self._lock:
            if sum((row["price"] for row in self.rows), Decimal(0)) + account.price > self.budget:
                raise OverBudget("Nothing is left for today.")
            row = {"state": "planned", "price": account.price, "kind": task.kind, "correct": None, "told": None}
            self.rows.append(row)
            return Purchase(str(len(self.rows) - 1), account, account.price)

    def _row(self, purchase: Purchase) -> dict[str, Any]:
        if self.is_away:
            raise LedgerAway("The database is away.")
        return self.rows[int(purchase.solve_id)]

    def _move(self, purchase: Purchase, state: str, **values: Any) -> bool:
        row = self._row(purchase)
        if row["state"] not in ("planned", "submitted"):
            return False
        row.update(state=state, **values)
        return True

    def submit(self, purchase: Purchase) -> bool:
        return self._move(purchase, "submitted")

    def bought(self, purchase: Purchase, task_id: str) -> None:
        self._row(purchase)["task_id"] = task_id

    def renew(self, purchase: Purchase) -> None:
        """Nothing to do."""

    def release(self, purchase: Purchase) -> None:
        self._row(purchase)["released"] = True
        self.lost.append(purchase)

    def ready(self, purchase: Purchase, answer: Answer, *, expires_at: datetime | None) -> bool:
        return self._move(purchase, "ready", cost=answer.cost, expires_at=expires_at)

    def failed(self, purchase: Purchase, error: Exception, *, is_charged: bool) -> bool:
        return self._move(purchase, "failed", error=str(error), price=purchase.price if is_charged else Decimal(0))

    def timed_out(self, purchase: Purchase) -> bool:
        return self._move(purchase, "timed out")

    def unknown(self, purchase: Purchase, error: Exception) -> bool:
        return self._move(purchase, "unknown", error=str(error))

    def refused(self, account: Account, error: SolverRefused) -> None:
        self.refusals.append(f"{account.provider.name}: {error.code}")

    def report(self, solve_id: str, *, is_correct: bool) -> tuple[Provider, str, str] | None:
        if self.is_away:
            raise LedgerAway("The database is away.")
        row = self.rows[int(solve_id)]
        row["correct"] = is_correct
        return self.known[0].provider, row["kind"], row["task_id"]

    def told(self, solve_id: str, *, is_told: bool) -> None:
        self.rows[int(solve_id)]["told"] = is_told

    def let_go(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    with anticaptcha() as running:
        yield running


@pytest.fixture
def provider(shop: Shop) -> Iterator[AntiCaptcha]:
    account = AntiCaptcha(shop.key, url=shop.url, poll_s=0.01)
    yield account
    account.close()


@pytest.fixture
def ledger(provider: AntiCaptcha) -> MemoryLedger:
    return MemoryLedger(Account(key=1, provider=provider, price=Decimal("0.002"), timeout_s=30))


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def solver(ledger: MemoryLedger, log: RecordingLog, stop: threading.Event) -> Iterator[Solver]:
    solver = Solver(ledger, log=log, stop=stop)
    yield solver
    solver.close()
