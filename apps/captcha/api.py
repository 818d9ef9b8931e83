"""What was bought, accounts without their keys, and budgets, for programs. Amounts are text: they are no fractions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts.changes import change_each
from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import change_row, create_row, find_row, row_version
from apps.api.schemas import Answer, AppCode, Given, Listing, Many, Moment, RowNumber, one_of, reply
from apps.api.section import Section
from apps.captcha.budget import ALL, spent_of, today
from apps.captcha.forms import BudgetForm
from apps.captcha.models import Budget, Kind, Solve, SolverAccount
from apps.captcha.money import plain
from apps.captcha.selectors import with_spending
from apps.core.clock import utc_now
from apps.registry.models import App

section = Section("captcha")

VIEW, CHANGE = "captcha.view_solve", "captcha.change_solve"
VIEW_ACCOUNT = "captcha.view_solveraccount"
VIEW_BUDGET, ADD_BUDGET, CHANGE_BUDGET = (f"captcha.{verb}_budget" for verb in ("view", "add", "change"))

MISSING = object()
#: Dollars, in an answer and in a body.
Amount = str
AmountGiven = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$", examples=["2.50"])]


class SolveOut(Answer):
    """One purchase. `cost` counts against the budget of `day`; it is what was reserved until `is_cost_known`."""

    id: int = Field(examples=[17])
    app: str = Field(examples=["examples.shop.books"])
    runtime: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    provider: str = Field(examples=["AntiCaptcha"])
    kind: Annotated[str, one_of(Kind)]
    page_url: str = Field(examples=["https://shop.example/login"])
    state: Annotated[str, one_of(Solve.State)]
    task_id: str = Field(examples=["72345678"])
    day: date = Field(examples=["2026-03-01"])
    price: Amount = Field(examples=["0.002"])
    cost: Amount = Field(examples=["0.0019"])
    is_cost_known: bool
    planned_at: Moment
    ended_at: Moment | None
    elapsed_s: float | None = Field(examples=[21.4])
    is_correct: bool | None = Field(description="What was reported of it.", examples=[True])
    is_told: bool | None = Field(description="Whether its provider took note.", examples=[True])
    problem: str = Field(description="auth, balance, proxy, task, solve, rate_limit, unknown, or nothing.")
    error_code: str = Field(examples=["ERROR_CAPTCHA_UNSOLVABLE"])
    said: str


class SolveFilter(Many):
    """Which purchases, newest first."""

    app: str | None = Field(None, max_length=122)
    state: Annotated[str, one_of(Solve.State)] | None = None
    runtime: str | None = Field(None, max_length=32)


class Verdict(Given):
    """Whether the site took a solution."""

    is_correct: bool


class AccountOut(Answer):
    """An account at a solver, without its key."""

    id: int = Field(examples=[17])
    name: str = Field(examples=["AntiCaptcha"])
    kind: Annotated[str, one_of(SolverAccount.Kind)]
    is_active: bool
    order: int = Field(examples=[10])
    balance: Amount | None = Field(examples=["12.30"])
    balance_at: Moment | None
    low_balance: Amount = Field(examples=["1.00"])
    low_since: Moment | None = Field(examples=[None])
    said: str = Field(description="What it refused last.")


class BudgetOut(Answer):
    """What may be spent on a day."""

    id: int = Field(examples=[17])
    app: str | None = Field(description="null: all apps together.", examples=["examples.shop.books"])
    per_day: Amount = Field(examples=["1.00"])
    each_app: Amount | None = Field(description="Of an app without a budget of its own.", examples=[None])
    spent_today: Amount = Field(examples=["0.042"])


class BudgetNew(Given):
    """A budget for an app."""

    app: AppCode
    per_day: AmountGiven


class BudgetChange(Given):
    """What is to change; what is not named stays."""

    per_day: AmountGiven = "0"
    each_app: AmountGiven = Field("0", description="Only of all apps together.")


@section.get("/captcha/solves", name="listSolves", permission=VIEW, answer=Listing[SolveOut])
def list_solves(request: HttpRequest, wanted: Query[SolveFilter]) -> HttpResponse:
    """What was bought, newest first."""
    rows = visible(request, VIEW, Solve.objects.all())
    if wanted.app:
        rows = rows.filter(app_code=wanted.app)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.runtime:
        rows = rows.filter(runtime_id=wanted.runtime)
    return reply(page_of(rows, ("-planned_at", "-id"), wanted, solve_out))


@section.post(
    "/captcha/solves/{solve_id}/report", name="reportSolve", permission=CHANGE, answer=SolveOut, is_recorded=False
)
def report_solve(request: HttpRequest, solve_id: Path[RowNumber], given: Verdict) -> HttpResponse:
    """Say whether a solution was right. It is written down; the provider's time for being told is over by then."""
    row = find_row(request, CHANGE, Solve.objects.all(), f"solve {solve_id}", pk=solve_id)
    if row.state in Solve.OPEN or not row.task_id:
        raise Problem("conflict", f"The solve is {Solve.State(row.state).word}: there is nothing to judge.")
    values = {"is_correct": given.is_correct, "reported_at": utc_now()}
    change_each(Solve.objects.filter(pk=row.pk), values, action="solve.reported", **by(request))
    row.refresh_from_db()
    return reply(solve_out(row))


@section.get("/captcha/accounts", name="listSolverAccounts", permission=VIEW_ACCOUNT, answer=Listing[AccountOut])
def list_accounts(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Who solves captchas, and what is left there."""
    rows = visible(request, VIEW_ACCOUNT, SolverAccount.objects.defer("key"))
    return reply(page_of(rows, ("name",), wanted, account_out))


@section.get("/captcha/budgets", name="listCaptchaBudgets", permission=VIEW_BUDGET, answer=Listing[BudgetOut])
def list_budgets(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """What may be spent on a day, and what is spent today."""
    rows = visible(request, VIEW_BUDGET, Budget.objects.select_related("app"))
    return reply(page_of(with_spending(rows, now=utc_now()), ("id",), wanted, budget_out))


@section.post(
    "/captcha/budgets",
    name="createCaptchaBudget",
    permission=ADD_BUDGET,
    answer=BudgetOut,
    status=201,
    is_recorded=False,
)
def create_budget(request: HttpRequest, new: BudgetNew) -> HttpResponse:
    """A budget for an app."""
    app = App.objects.filter(code=new.app).first()
    if app is None:
        raise Problem("not-found", f"There is no app {new.app}.")
    row = create_row(request, BudgetForm, {"app": app.pk, "per_day": new.per_day})
    return reply(budget_out(row), 201, Location=f"/api/v1/captcha/budgets/{row.pk}", ETag=row_version(row))


@section.get(
    "/captcha/budgets/{budget_id}",
    name="getCaptchaBudget",
    permission=VIEW_BUDGET,
    answer=BudgetOut,
    has_version=True,
)
def get_budget(request: HttpRequest, budget_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    row = _budget(request, VIEW_BUDGET, budget_id)
    return reply(budget_out(row), ETag=row_version(row))


@section.patch(
    "/captcha/budgets/{budget_id}",
    name="changeCaptchaBudget",
    permission=CHANGE_BUDGET,
    answer=BudgetOut,
    is_recorded=False,
)
def change_budget(request: HttpRequest, budget_id: Path[RowNumber], new: BudgetChange) -> HttpResponse:
    """Change what may be spent. It holds from the next captcha on."""
    row = _budget(request, CHANGE_BUDGET, budget_id)
    row = change_row(request, row, BudgetForm, new.model_dump(exclude_unset=True))
    return reply(budget_out(row), ETag=row_version(row))


def _budget(request: HttpRequest, permission: str, pk: int) -> Budget:
    return find_row(request, permission, Budget.objects.select_related("app"), f"budget {pk}", pk=pk)


def solve_out(row: Solve) -> SolveOut:
    """A purchase as it is shown."""
    other = {"app": row.app_code, "runtime": row.runtime_id, "price": plain(row.price), "cost": plain(row.cost)}
    return SolveOut.model_construct(**_same(SolveOut, row, other))


def account_out(row: SolverAccount) -> AccountOut:
    """An account as it is shown."""
    left = None if row.balance is None else plain(row.balance)
    return AccountOut.model_construct(
        **_same(AccountOut, row, {"balance": left, "low_balance": plain(row.low_balance)})
    )


def budget_out(row: Budget) -> BudgetOut:
    """A budget as it is shown."""
    code = row.app.code if row.app else None
    # Of a list it was asked for with the rows.
    spent = row.__dict__.get("spent_today", MISSING)
    if spent is MISSING:
        spent = spent_of(code or ALL, today(utc_now()))
    return BudgetOut.model_construct(
        id=row.pk,
        app=code,
        per_day=plain(row.per_day),
        each_app=None if row.each_app is None else plain(row.each_app),
        spent_today=plain(spent or Decimal(0)),
    )


def _same(answer: type[Answer], row: Any, other: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in answer.model_fields if name not in other} | other
