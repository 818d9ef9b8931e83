"""The solver: what it buys, how often, from whom, and that nothing paid for is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from collectors.toolkit.captcha import ImageTask, RecaptchaV2, RecaptchaV3, Turnstile
from collectors.toolkit.captcha import solver as solving
from collectors.toolkit.captcha.anticaptcha import AntiCaptcha
from collectors.toolkit.captcha.chain import Account, ranked
from collectors.toolkit.captcha.errors import (
    NoSolver,
    NotInDryRun,
    OverBudget,
    ProxyRefused,
    PurchaseUnknown,
    SolverBusy,
    SolveStopped,
    SolveTimeout,
    TaskRefused,
    Unsolvable,
)
from collectors.toolkit.captcha.solver import Solver
from collectors.toolkit.categories import category_of, is_blocker
from collectors.toolkit.errors import SkipItem
from collectors.toolkit.testing import RecordingLog
from tests.servers.anticaptcha import Shop, anticaptcha

TASK = RecaptchaV2(url="https://shop.example/login?session=1", site_key="k")
PRICE = Decimal("0.002")


def test_a_captcha_is_solved_and_says_what_it_cost(shop: Shop, solver: Solver, ledger: Any) -> None:
    solved = solver.solve(TASK)
    assert (solved.solution, solved.task_id, solved.kind, solved.cost) == (
        "solution 1001",
        "1001",
        "recaptcha_v2",
        PRICE,
    )
    assert solved.expires_at is not None
    assert not solved.is_expired()
    assert solved.is_expired(solved.expires_at)
    assert ledger.states == ["ready"]
    assert shop.spent == ledger.rows[0]["cost"] == PRICE
    with pytest.raises(AttributeError):
        solved.cost = Decimal(0)  # type: ignore[misc]  # what a solve cost is not the source's to change


def test_it_is_solved_in_an_event_loop_many_at_a_time(shop: Shop, solver: Solver) -> None:
    async def main() -> list[str]:
        tasks = [RecaptchaV3(url=f"https://shop.example/{n}", site_key="k") for n in range(20)]
        return [solved.solution for solved in await asyncio.gather(*map(solver.asolve, tasks))]

    assert len(set(asyncio.run(main()))) == 20
    assert shop.count("createTask") == 20


def test_an_event_loop_is_not_held_up(shop: Shop, solver: Solver) -> None:
    async def main() -> None:
        solver.solve(TASK)

    with pytest.raises(RuntimeError, match="asolve"):
        asyncio.run(main())
    assert shop.calls == []


def test_polling_that_fails_loses_nothing_that_was_paid_for(shop: Shop, solver: Solver, ledger: Any) -> None:
    shop.looks.extend(["503", "drop", "ERROR_NO_SLOT_AVAILABLE", "ERROR_IP_NOT_ALLOWED", "ERROR_OF_TOMORROW"])
    assert solver.solve(TASK).solution == "solution 1001"
    assert shop.count("createTask") == 1
    assert ledger.states == ["ready"]


@pytest.mark.parametrize("trick", ["drop", "503"])
def test_an_answer_that_never_came_is_spent_and_not_bought_twice(
    shop: Shop, solver: Solver, ledger: Any, trick: str
) -> None:
    shop.creates.append(trick)
    with pytest.raises(PurchaseUnknown):
        solver.solve(TASK)
    assert shop.count("createTask") == 1
    assert ledger.states == ["unknown"]


def test_what_nobody_could_solve_is_bought_again_and_paid_each_time(shop: Shop, solver: Solver, ledger: Any) -> None:
    shop.ends.extend(["ERROR_CAPTCHA_UNSOLVABLE"])
    assert solver.solve(TASK).solution == "solution 1002"
    assert ledger.states == ["failed", "ready"]
    assert sum(row["price"] for row in ledger.rows) == shop.spent
    shop.ends.extend(["ERROR_CAPTCHA_UNSOLVABLE"] * 3)
    with pytest.raises(Unsolvable):
        solver.solve(TASK)
    assert shop.count("createTask") == 5


@pytest.mark.parametrize(
    ("code", "kind", "category"),
    [
        ("ERROR_PROXY_CONNECT_REFUSED", ProxyRefused, "proxy"),
        ("ERROR_RECAPTCHA_INVALID_SITEKEY", TaskRefused, "captcha"),
    ],
)
def test_a_wrong_task_and_a_bad_proxy_are_the_sources_to_change(
    shop: Shop, solver: Solver, ledger: Any, code: str, kind: type[Exception], category: str
) -> None:
    shop.creates.append(code)
    with pytest.raises(kind) as caught:
        solver.solve(TASK)
    assert category_of(caught.value) == category
    assert shop.count("createTask") == 1
    assert ledger.states == ["failed"]
    assert ledger.rows[0]["price"] == 0


def test_an_account_without_money_or_with_a_wrong_key_hands_over_to_the_next(shop: Shop, ledger: Any) -> None:
    with anticaptcha() as rich:
        shop.balance = Decimal(0)
        others = [AntiCaptcha("wrong", url=rich.url, name="wrong"), AntiCaptcha(rich.key, url=rich.url, poll_s=0.01)]
        ledger.known += [Account(key=n, provider=one, price=PRICE) for n, one in enumerate(others, 2)]
        solver = Solver(ledger, log=RecordingLog())
        assert solver.solve(TASK).solution == "solution 1001"
        assert ledger.refusals == ["AntiCaptcha: ERROR_ZERO_BALANCE", "wrong: ERROR_KEY_DOES_NOT_EXIST"]
        assert ledger.states == ["failed", "failed", "ready"]
        for one in others:
            one.close()


def test_without_an_account_that_can_buy_a_person_has_to_act(shop: Shop, solver: Solver) -> None:
    shop.balance = Decimal(0)
    with pytest.raises(NoSolver, match="ERROR_ZERO_BALANCE") as caught:
        solver.solve(TASK)
    assert is_blocker(caught.value)


def test_over_budget_nothing_is_bought_and_the_app_is_blocked(shop: Shop, solver: Solver, ledger: Any) -> None:
    ledger.budget = PRICE
    solver.solve(TASK)
    with pytest.raises(OverBudget) as caught:
        solver.solve(TASK)
    assert (is_blocker(caught.value), category_of(caught.value)) == (True, "budget")
    assert shop.count("createTask") == 1


def test_a_solver_that_is_busy_is_asked_again(
    shop: Shop, solver: Solver, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "BUSY_S", 0.01)
    shop.creates.extend(["ERROR_NO_SLOT_AVAILABLE"] * 3)
    assert solver.solve(TASK).solution == "solution 1001"
    assert ledger.states == ["failed", "failed", "failed", "ready"]
    shop.creates.extend(["ERROR_NO_SLOT_AVAILABLE"] * 500)
    with pytest.raises(SolverBusy):
        solver.solve(TASK, timeout_s=0.1)


def test_a_slow_one_is_given_up_and_counts_until_it_is_known(shop: Shop, solver: Solver, ledger: Any) -> None:
    shop.is_working.clear()
    with pytest.raises(SolveTimeout):
        solver.solve(TASK, timeout_s=0.05)
    assert ledger.states == ["timed out"] * 3
    assert shop.spent == sum(row["price"] for row in ledger.rows)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_that_is_asked_to_stop_waits_no_longer_and_the_next_collects_it(
    shop: Shop, solver: Solver, ledger: Any, stop: threading.Event, is_async: bool
) -> None:
    shop.is_working.clear()
    solve: Callable[[], Any] = (lambda: asyncio.run(solver.asolve(TASK))) if is_async else (lambda: solver.solve(TASK))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(solve)
        shop.wait_for(tasks=1)
        stop.set()
        with pytest.raises(SolveStopped):
            waiting.result(30)
    assert ledger.rows[0].get("released")
    shop.is_working.set()
    later = Solver(ledger, log=RecordingLog())
    assert later.solve(TASK).solution == "solution 1001"
    assert shop.count("createTask") == 1
    later.close()


def test_nobody_waits_for_an_async_task_that_was_cancelled(shop: Shop, solver: Solver, ledger: Any) -> None:
    shop.is_working.clear()

    async def main() -> None:
        waiting = asyncio.create_task(solver.asolve(TASK))
        await asyncio.to_thread(shop.wait_for, tasks=1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    solver.close()
    assert ledger.rows[0].get("released")


def test_what_is_bought_is_handed_over_although_it_cannot_be_written_down(
    shop: Shop, solver: Solver, ledger: Any, log: RecordingLog
) -> None:
    shop.is_working.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(solver.solve, TASK)
        shop.wait_for(tasks=1)
        ledger.is_away = True
        shop.is_working.set()
        assert waiting.result(30).solution == "solution 1001"
    assert "captcha.not_written" in [entry.event for entry in log.entries]


def test_a_dry_run_buys_nothing_unless_it_is_asked_to(shop: Shop, ledger: Any, log: RecordingLog) -> None:
    solver = Solver(ledger, log=log, dry_run=True)
    with pytest.raises(NotInDryRun) as caught:
        solver.solve(TASK)
    assert isinstance(caught.value, SkipItem)
    assert shop.calls == []
    assert solver.solve(TASK, in_dry_run=True).solution == "solution 1001"


def test_a_verdict_is_written_down_whatever_the_provider_wants_to_know(shop: Shop, solver: Solver, ledger: Any) -> None:
    token, picture = solver.solve(TASK), solver.solve(ImageTask(image=bytes(200)))
    stile = solver.solve(Turnstile(url="https://shop.example/", site_key="k"))
    assert solver.report_correct(token)
    assert not solver.report_correct(picture)
    assert not asyncio.run(solver.areport_incorrect(stile))
    assert [(row["correct"], row["told"]) for row in ledger.rows] == [(True, True), (True, False), (False, False)]
    shop.key = "another"
    assert not solver.report_incorrect(token)
    assert ledger.rows[0]["correct"] is False
    ledger.is_away = True
    assert not solver.report_incorrect(token)


def test_accounts_are_asked_by_their_order_then_by_what_they_did_lately(provider: AntiCaptcha) -> None:
    plain = Account(key=1, provider=provider, price=PRICE)
    cheap = replace(plain, key=2, price=Decimal("0.001"))
    slow = replace(cheap, key=3, mean_s=90.0, tried=20, solved=18)
    good = replace(plain, key=4, tried=20, solved=20, mean_s=10.0)
    first = replace(plain, key=5, order=-1)
    poor = replace(first, key=6, tried=10, solved=4)
    unlucky = replace(first, key=7, tried=9, solved=0)
    ranking = [one.key for one in ranked([poor, unlucky, slow, good, plain, cheap, first])]
    assert ranking[:2] == [5, 7], "few tries say nothing, so the order that people gave holds"
    assert ranking[-1] == 6, "who fails more often than not is asked last"
    assert ranking.index(2) < ranking.index(1)
    assert ranking.index(4) < ranking.index(1)
