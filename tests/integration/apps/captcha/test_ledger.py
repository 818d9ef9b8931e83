"""The ledger: what is written before and after a purchase, what a day may cost, and what killed processes leave."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from django.core.management import call_command
from django.db import connections, transaction
from hypothesis import strategies as st

from apps.captcha import moves, settling
from apps.captcha.balances import check_balances
from apps.captcha.budget import ALL, installation, limits_of, spent_of, today
from apps.captcha.ledger import REST, DjangoLedger
from apps.captcha.models import Budget, Solve, SolverAccount, Spending
from apps.captcha.settling import settle
from apps.captcha.tasks import look_at_balances, settle_lost
from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery
from apps.registry.models import App
from apps.runtime import runner
from apps.runtime.captcha_messages import tell_low_balances
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from collectors.contract import Context
from collectors.identity import parse_code
from collectors.toolkit.captcha import ImageTask, RecaptchaV2, Turnstile
from collectors.toolkit.captcha.errors import LedgerAway, NoSolver, OverBudget, PurchaseUnknown
from collectors.toolkit.captcha.provider import Answer
from collectors.toolkit.captcha.solver import Solver
from collectors.toolkit.scraping import AsyncScraper
from collectors.toolkit.testing import RecordingLog
from tests.integration.factories import make_app, make_source
from tests.servers.anticaptcha import Shop

pytestmark = pytest.mark.django_db(databases="__all__")

TASK = RecaptchaV2(url="https://u:p@shop.example/login?session=1#top", site_key="k")
PRICE = Decimal("0.002")
LATER = timedelta(minutes=3)
NUMBERS = itertools.count()
#: The ledgers of the test that runs.
OPEN: list[DjangoLedger] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def ledger_of(app: App, **values: Any) -> DjangoLedger:
    OPEN.append(DjangoLedger(parse_code(app.code), app_id=app.pk, runtime_id="r" * 32, **values))
    return OPEN[-1]


def solver_of(app: App) -> Solver:
    return Solver(ledger_of(app), log=RecordingLog())


def sums() -> tuple[Decimal, Decimal]:
    """What the counter of all apps says, and what the rows add up to."""
    rows = sum((row.cost for row in Solve.objects.all()), Decimal(0))
    # Of each day: midnight may pass while a test runs.
    return sum((day.spent for day in Spending.objects.filter(app_code=ALL)), Decimal(0)), rows


def test_a_purchase_is_written_down_without_what_is_secret(shop: Shop, account: SolverAccount) -> None:
    app = make_app()
    solved = solver_of(app).solve(TASK)
    row = Solve.objects.get()
    assert (row.state, row.app_code, row.provider, row.task_id, row.cost) == ("READY", app.code, "shop", "1001", PRICE)
    assert (row.page_url, row.site, row.is_cost_known, row.is_settled) == (
        "https://shop.example/login",
        "shop.example",
        True,
        True,
    )
    assert row.expires_at == solved.expires_at
    assert not any(solved.solution in str(value) for value in row.__dict__.values())
    assert sums() == (shop.spent, shop.spent)
    app.delete()
    assert Solve.objects.get().app_code == "examples.shop.books", "what was spent outlives the app"


def test_the_report_of_today_is_what_the_shop_has_in_its_books(shop: Shop, account: SolverAccount) -> None:
    solver = solver_of(make_app())
    shop.ends.extend(["", "ERROR_CAPTCHA_UNSOLVABLE"])
    solver.solve(TASK)
    solver.solve(TASK)
    shop.price = Decimal("0.0007")
    solver.solve(ImageTask(image=bytes(200)))
    shop.price = PRICE
    shop.creates.extend(["drop"])
    with pytest.raises(PurchaseUnknown):
        solver.solve(Turnstile(url="https://other.example/", site_key="k"))
    out = io.StringIO()
    call_command("captcha_report", "--today", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert Decimal(report["all"]["cost"]) == shop.spent == Decimal("0.0087")
    assert report["all"]["count"] == len(shop.tasks)
    assert Decimal(report["all"]["estimated"]) == 2 * PRICE, "tried in vain, and unknown"
    assert {line["name"]: Decimal(line["cost"]) for line in report["kinds"]} == {
        "reCAPTCHA v2": 3 * PRICE,
        "Turnstile": PRICE,
        "image": Decimal("0.0007"),
    }
    assert report["states"] == {"READY": 3, "FAILED": 1, "UNKNOWN": 1}
    call_command("captcha_report", "--day", "2001-01-01", stdout=out)
    assert "Nothing was bought." in out.getvalue()


def test_an_app_has_its_own_budget_or_that_of_each(shop: Shop, account: SolverAccount) -> None:
    app, other = make_app(), make_app("examples.shop.shelf")
    Budget.objects.create(app=app, per_day=PRICE)
    assert limits_of(app.pk).app == PRICE
    assert limits_of(other.pk).app == installation().each_app
    solver = solver_of(app)
    solver.solve(TASK)
    with pytest.raises(OverBudget, match=r"examples\.shop\.books may spend 0\.002 dollars a day"):
        solver.solve(TASK)
    solver_of(other).solve(TASK)
    Budget.objects.filter(app__isnull=True).update(per_day=2 * PRICE)
    with pytest.raises(OverBudget, match="All apps together"):
        solver_of(other).solve(TASK)
    assert len(shop.tasks) == 2
    assert Spending.objects.get(app_code=other.code).spent == PRICE, "a refused reservation leaves nothing behind"


def test_a_price_that_was_wrong_is_corrected_and_learnt(shop: Shop, account: SolverAccount) -> None:
    solver = solver_of(make_app())
    shop.price = Decimal("0.003")
    solver.solve(TASK)
    assert sums() == (shop.spent, shop.spent)
    solver.solve(TASK)
    assert [row.price for row in Solve.objects.order_by("pk")] == [PRICE, Decimal("0.003")]


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_inside_of_a_transaction_nothing_is_bought(shop: Shop, account: SolverAccount) -> None:
    solver = solver_of(make_app())
    with transaction.atomic(), pytest.raises(LedgerAway, match="inside of a transaction"):
        solver.solve(TASK)
    assert shop.calls == []


def test_an_account_that_was_refused_rests_and_says_why(shop: Shop, account: SolverAccount) -> None:
    shop.balance = Decimal(0)
    app = make_app()
    with pytest.raises(NoSolver, match="ERROR_ZERO_BALANCE"):
        solver_of(app).solve(TASK)
    with pytest.raises(NoSolver, match="shop rests until"):
        solver_of(app).solve(TASK)
    assert shop.count("createTask") == 1
    account.refresh_from_db()
    assert (account.balance, account.low_since is not None) == (Decimal(0), True)
    shop.balance = Decimal(5)
    look_at_balances.apply()
    account.refresh_from_db()
    assert (account.balance, account.low_since, account.said, account.rests_until) == (Decimal(5), None, "", None)
    assert solver_of(app).solve(TASK).cost == PRICE
    later = utc_now() + REST
    assert ledger_of(app, clock=lambda: later).accounts(TASK)


def test_a_low_balance_is_told_once_until_it_is_filled_up(shop: Shop, account: SolverAccount) -> None:
    Channel.objects.create(name="team", service=Channel.Service.EMAIL, recipients="team@example.com")
    for left, told in (("0.5", 1), ("0.4", 1), ("3", 1), ("0.9", 2)):
        shop.balance = Decimal(left)
        check_balances([account], now=utc_now())
        for _ in range(2):
            tell_low_balances(now=utc_now())
        assert Delivery.objects.count() == told
    message = Delivery.objects.order_by("pk")[0]
    assert (message.kind, message.subject) == ("LOW", "The balance of shop is low")
    assert "0.50 dollars are left" in message.body


# -- Processes that are gone -------------------------------------------------------------------------------------------


def lost_in(state: str, app: App, shop: Shop, **values: Any) -> Solve:
    """A purchase whose process was killed when it had come so far."""
    ledger = ledger_of(app)
    purchase = ledger.plan(TASK, ledger.accounts(TASK)[0])
    if state != "planned":
        ledger.submit(purchase)
        provider = purchase.account.provider
        task_id = provider.create(provider.prepare(TASK))
        if state != "sent":
            ledger.bought(purchase, task_id)
        if state == "timed out":
            ledger.timed_out(purchase)
    ledger.close()
    Solve.objects.filter(pk=int(purchase.solve_id)).update(held_until=utc_now() - LATER)
    return Solve.objects.get(pk=int(purchase.solve_id))


@pytest.mark.parametrize(
    ("state", "end", "cost", "is_known"),
    [
        ("planned", "FAILED", Decimal(0), True),
        ("sent", "UNKNOWN", PRICE, False),
        ("bought", "READY", Decimal("0.0019"), True),
        ("timed out", "TIMED_OUT", Decimal("0.0019"), True),
    ],
)
def test_a_purchase_is_settled_whatever_state_its_process_was_killed_in(
    shop: Shop, account: SolverAccount, state: str, end: str, cost: Decimal, is_known: bool
) -> None:
    shop.price, shop.polls = Decimal("0.0019"), 0
    row = lost_in(state, make_app(), shop)
    settle_lost.apply()
    row.refresh_from_db()
    assert (row.state, row.cost, row.is_cost_known, row.is_settled) == (end, cost, is_known, True)
    assert sums() == (cost, cost)
    assert settle(now=utc_now() + LATER) == 0
    assert shop.count("createTask") == (state != "planned")


def test_a_bought_task_is_collected_by_the_next_run_and_not_bought_again(shop: Shop, account: SolverAccount) -> None:
    app = make_app()
    row = lost_in("bought", app, shop)
    assert solver_of(make_app("examples.shop.shelf")).solve(TASK).task_id == "1002", "another app has no part in it"
    assert solver_of(app).solve(TASK).task_id == row.task_id
    row.refresh_from_db()
    assert (row.state, len(shop.tasks)) == ("READY", 2)


def test_a_task_that_somebody_waits_for_is_nobody_elses(shop: Shop, account: SolverAccount) -> None:
    app = make_app()
    mine, other = ledger_of(app), ledger_of(app)
    purchase = mine.plan(TASK, mine.accounts(TASK)[0])
    mine.submit(purchase)
    mine.bought(purchase, "1001")
    assert other.take_over(TASK) is None
    assert settle(now=utc_now()) == 0
    mine.release(purchase)
    later = ledger_of(app, clock=lambda: utc_now() + timedelta(seconds=1))
    taken = later.take_over(TASK)
    assert taken is not None
    assert ledger_of(app).take_over(TASK) is None
    answer = Answer(solution="x", cost=PRICE)
    assert not mine.ready(purchase, answer, expires_at=None), "its token would be handed in twice"
    assert later.ready(taken, answer, expires_at=None)
    assert not later.ready(taken, answer, expires_at=None)


def test_a_task_that_never_gets_ready_is_given_up_at_last(
    shop: Shop, account: SolverAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.is_working.clear()
    row = lost_in("bought", make_app(), shop)
    assert settle(now=utc_now()) == 0
    monkeypatch.setattr(settling, "LONGEST", timedelta(0))
    assert settle(now=utc_now() + LATER) == 1
    row.refresh_from_db()
    assert (row.state, row.cost) == ("UNKNOWN", PRICE)


# -- Sums -------------------------------------------------------------------------------------------------------------

ENDS = st.sampled_from(
    [
        moves.ready(Answer(solution="x", cost=Decimal("0.0031"))),
        moves.ready(Answer(solution="x", cost=None)),
        moves.failed(ValueError("x"), is_charged=False),
        moves.failed(ValueError("x"), is_charged=True),
        moves.TIMED_OUT,
        moves.NEVER_SENT,
        moves.unknown("x"),
    ]
)


@hypothesis.settings(max_examples=15, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(steps=st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), ENDS)), max_size=14))
def test_the_counters_are_the_sum_of_the_rows_whatever_happens(
    account: SolverAccount, steps: list[tuple[int, moves.End | None]]
) -> None:
    app = make_app(f"examples.shop.x{next(NUMBERS)}")
    Budget.objects.create(app=app, per_day=Decimal("0.01"))
    now = utc_now()
    ledger, day, planned = ledger_of(app, clock=lambda: now), today(now), list[int]()
    for which, end in steps:
        if end is None:
            asked = ledger.accounts(TASK)[0]
            try:
                planned.append(int(ledger.plan(TASK, asked).solve_id))
            except OverBudget:
                assert spent_of(app.code, day) + asked.price > Decimal("0.01")
        elif planned:
            pk = planned[which % len(planned)]
            before = Solve.objects.get(pk=pk).state
            assert moves.end_solve(pk, end, now=utc_now()) == (before in Solve.OPEN)
            row = Solve.objects.get(pk=pk)
            if row.state == Solve.State.TIMED_OUT and not row.is_settled:
                moves.settle_late(row, cost=Decimal("0.0005"), said="late")
        own = sum((row.cost for row in Solve.objects.filter(app_code=app.code)), Decimal(0))
        assert own == spent_of(app.code, day)
    assert len(set(sums())) == 1


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_many_at_once_spend_no_more_than_there_is(shop: Shop, account: SolverAccount) -> None:
    app = make_app()
    Budget.objects.create(app=app, per_day=12 * PRICE)
    ledger = ledger_of(app)
    asked = ledger.accounts(TASK)[0]

    def buy(_number: int) -> int:
        bought = 0
        for _ in range(4):
            try:
                ledger.plan(TASK, replace(asked, price=PRICE))
                bought += 1
            except OverBudget:
                pass
        connections.close_all()
        return bought

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(buy, range(6))) == 12
    assert sums() == (12 * PRICE, 12 * PRICE)


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_over_budget_the_run_ends_blocked_and_people_are_told_once(shop: Shop, account: SolverAccount) -> None:
    Channel.objects.create(name="team", service=Channel.Service.EMAIL, recipients="team@example.com")
    app = make_app(is_enabled=True)
    Budget.objects.create(app=app, per_day=PRICE)

    def main(context: Context) -> None:
        for _ in range(5):
            context.captcha.solve(TASK)

    for _ in range(2):
        run = open_run(app, owner=identify_self(), args={}, now=utc_now())
        with Interrupts(grace_s=10) as interrupts:
            runner.execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
        run = Runtime.objects.get(pk=run.pk)
        assert (run.state, run.is_blocked, run.error_category) == (State.FAILED, True, "budget")
        assert "The budget for captchas is spent: examples.shop.books may spend 0.002 dollars a day" in run.cause
    app.refresh_from_db()
    assert (app.is_enabled, app.fatal) == (False, App.Fatal.BLOCKED)
    assert [message.kind for message in Delivery.objects.all()] == ["DISABLED"]
    assert len(shop.tasks) == 1
    assert Solve.objects.get().runtime_id in set(Runtime.objects.values_list("pk", flat=True))


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_run_in_an_event_loop_and_a_dry_one(shop: Shop, account: SolverAccount) -> None:
    class Gates(AsyncScraper):
        def prepare_list(self) -> list[int]:
            return [1, 2, 3, 4]

        async def collect(self, item: int) -> list[Any]:
            task = Turnstile(url=f"https://shop.example/{item}", site_key="k")
            await self.context.captcha.areport_incorrect(await self.context.captcha.asolve(task))
            return []

    app = make_app(is_enabled=True)
    for dry_run in (True, False):
        run = open_run(app, owner=identify_self(), args={}, now=utc_now(), is_dry_run=dry_run)
        source = make_source(lambda context: Gates(context).run())
        with Interrupts(grace_s=10) as interrupts:
            runner.execute(run, source, args={}, interrupts=interrupts, watch=lambda pulse: None)
        run = Runtime.objects.get(pk=run.pk)
        assert (run.state, run.cause, run.failed) == (State.SUCCEEDED, "", 0)
        assert len(shop.tasks) == (0 if dry_run else 4), "a dry run buys nothing, and leaves the items out"
    assert list(Solve.objects.values_list("state", "is_correct", "is_told")) == [("READY", False, False)] * 4
