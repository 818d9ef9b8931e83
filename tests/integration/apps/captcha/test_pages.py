"""The pages of captchas, Home, and the API."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.captcha.budget import installation, reserve, today
from apps.captcha.models import Budget, Solve, SolverAccount
from apps.captcha.money import plain
from apps.captcha.needs import find_needs
from apps.core.attention import Look
from apps.core.clock import utc_now
from tests.integration.factories import make_app
from tests.integration.people import messages_of, signed_in
from tests.servers.anticaptcha import Shop

pytestmark = pytest.mark.django_db(databases="__all__")

ACCOUNTS, SOLVES, BUDGETS = (f"/admin/captcha/{name}/" for name in ("solveraccount", "solve", "budget"))
KEY = "c4nary-key-of-a-solver"


def fields(**values: Any) -> dict[str, Any]:
    plain_ones = {"kind": "ANTICAPTCHA", "url": "https://solver.example/", "is_active": "on", "order": "10"}
    rest = {"prices": "{}", "notes": "", "timeout_s": "120", "poll_s": "5", "low_balance": "1"}
    return {"name": "one", "key": KEY, **plain_ones, **rest, **values}


def bought(number: int, **values: Any) -> Solve:
    now = utc_now() - timedelta(minutes=number)
    about = {"state": "READY", "kind": "recaptcha_v2", "site": "shop.example", "provider": "shop", "task_id": "7"}
    sums = {"price": Decimal("0.002"), "cost": Decimal("0.0019"), "is_cost_known": True, "day": today(utc_now())}
    times = {"planned_at": now, "submitted_at": now, "ended_at": now}
    return Solve.objects.create(**{"app_code": "examples.shop.books", **about, **sums, **times, **values})


def test_a_key_goes_in_and_never_comes_out_and_is_typed_again_for_another_place() -> None:
    client = signed_in("admin")
    assert client.post(f"{ACCOUNTS}add/", fields()).status_code == 302
    account = SolverAccount.objects.get()
    assert account.key == KEY
    page = f"{ACCOUNTS}{account.pk}/change/"
    for address in (ACCOUNTS, page, f"{ACCOUNTS}{account.pk}/history/", "/api/v1/captcha/accounts"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert KEY not in answer.text
    assert client.post(page, fields(key="", name="two")).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.key) == ("two", KEY)
    assert "Type it again" in client.post(page, fields(key="", url="https://thief.example/")).text
    assert not AuditEntry.objects.filter(details__icontains=KEY).exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key": ""}, "Type the key."),
        ({"url": "http://solver.example/"}, "begins https://"),
        ({"url": "https://user@solver.example/"}, "begins https://"),
        ({"prices": '{"hcaptcha": "1"}'}, "Write the price of each kind"),
        ({"prices": '{"image": "free"}'}, "Write the price of each kind"),
    ],
)
def test_what_cannot_work_is_refused_in_the_form(values: dict[str, Any], said: str) -> None:
    answer = signed_in("admin").post(f"{ACCOUNTS}add/", fields(**values))
    assert said in answer.text
    assert not SolverAccount.objects.exists()


def test_a_balance_is_asked_for_by_a_button_and_whoever_does_not_answer_is_named(
    shop: Shop, account: SolverAccount
) -> None:
    SolverAccount.objects.create(name="away", url="http://127.0.0.1:1", key=KEY)
    client = signed_in("admin")
    chosen = [str(pk) for pk in SolverAccount.objects.values_list("pk", flat=True)]
    answer = client.post(ACCOUNTS, {"action": "check_balances", "_selected_action": chosen}, follow=True)
    said = " ".join(messages_of(answer))
    assert "shop: 10.00 $ are left." in said
    assert "away: away does not answer" in said
    account.refresh_from_db()
    assert account.balance == Decimal(10)
    assert AuditEntry.objects.filter(action="solveraccount.checked").count() == 2


def test_the_list_says_what_today_cost_and_how_sites_were_solved(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        bought(number)
    bought(40, state="UNKNOWN", is_cost_known=False, site="hard.example", kind="image")
    client = signed_in("viewer")
    with django_assert_max_num_queries(30):
        page = client.get(SOLVES).text
    assert "0.0589 $" in page, "30 times 0.0019, and once the same that nobody has confirmed"
    assert "0.0019 $ of it not confirmed" in page
    assert "hard.example" in page
    assert "shop.example" not in client.get(f"{SOLVES}?state__exact=UNKNOWN").text.partition("result_list")[2]


def test_a_budget_is_changed_by_who_may_and_that_of_all_stays() -> None:
    whole, app = installation(), make_app()
    client = signed_in("developer")
    assert client.post(f"{BUDGETS}add/", {"app": app.pk, "per_day": "0.5"}).status_code == 302
    reserve(app_id=app.pk, app_code=app.code, price=Decimal("0.4"), day=today(utc_now()))
    assert "0.40 $" in client.get(BUDGETS).text
    page = f"{BUDGETS}{whole.pk}/change/"
    assert client.post(page, {"per_day": "7", "each_app": "2"}).status_code == 302
    assert "Say what an app may spend" in client.post(page, {"per_day": "7", "each_app": ""}).text
    assert client.post(f"{BUDGETS}{whole.pk}/delete/", {"post": "yes"}).status_code == 403
    whole.refresh_from_db()
    assert (whole.per_day, whole.each_app) == (Decimal(7), Decimal(2))
    assert AuditEntry.objects.filter(action="budget.changed").count() == 1
    assert "already" in client.post(f"{BUDGETS}add/", {"app": app.pk, "per_day": "1"}).text


def test_home_says_which_accounts_run_dry_and_which_budgets_are_spent() -> None:
    now = utc_now()
    SolverAccount.objects.create(name="dry", key=KEY, balance=Decimal("0.2"), low_since=now)
    SolverAccount.objects.create(name="refused", key=KEY, said="ERROR_IP_BLOCKED", rests_until=now + timedelta(1))
    SolverAccount.objects.create(name="fine", key=KEY, balance=Decimal(9))
    app = make_app()
    Budget.objects.create(app=app, per_day=Decimal("0.4"))
    reserve(app_id=app.pk, app_code=app.code, price=Decimal("0.4"), day=today(now))
    accounts, budgets = find_needs(Look(asker=signed_in("operator").get("/admin/").wsgi_request.user, now=now))
    assert {item.subject: item.said for item in accounts.items} == {
        "dry": "0.20 $ are left.",
        "refused": "ERROR_IP_BLOCKED",
    }
    assert [(item.subject, item.said) for item in budgets.items] == [
        (app.code, "0.40 $ of 0.40 $ are spent or reserved today.")
    ]


def test_programs_read_solves_and_report_what_they_were_worth() -> None:
    client, row = signed_in("operator"), bought(1)
    items = client.get("/api/v1/captcha/solves", {"app": "examples.shop.books", "state": "READY"}).json()["items"]
    assert [(item["id"], item["cost"], item["is_correct"]) for item in items] == [(row.pk, "0.0019", None)]
    report = f"/api/v1/captcha/solves/{row.pk}/report"
    body: Any = {"data": '{"is_correct": false}', "content_type": "application/json"}
    assert client.post(report, **body).json()["is_correct"] is False
    assert AuditEntry.objects.filter(action="solve.reported").count() == 1
    assert signed_in("viewer").post(report, **body).status_code == 403
    planned = bought(2, state="PLANNED", task_id="", ended_at=None)
    assert client.post(f"/api/v1/captcha/solves/{planned.pk}/report", **body).status_code == 409


def test_programs_read_and_change_budgets() -> None:
    app, client = make_app(), signed_in("developer")
    body = f'{{"app": "{app.code}", "per_day": "0.25"}}'
    made = client.post("/api/v1/captcha/budgets", data=body, content_type="application/json")
    assert (made.status_code, made.json()["per_day"], made.json()["spent_today"]) == (201, "0.25", "0.00")
    address = made["Location"]
    version = client.get(address)["ETag"]
    change: Any = {"data": '{"per_day": "0.5"}', "content_type": "application/json"}
    changed = client.patch(address, **change, headers={"If-Match": version})
    assert (changed.status_code, changed.json()["per_day"]) == (200, "0.50")
    assert client.patch(address, **change, headers={"If-Match": version}).status_code == 412
    assert AuditEntry.objects.filter(action__in=("budget.added", "budget.changed")).count() == 2
    again = client.post("/api/v1/captcha/budgets", data=body, content_type="application/json")
    assert again.status_code == 422
    assert client.get("/api/v1/captcha/budgets").json()["items"][0]["app"] == app.code


@pytest.mark.parametrize(
    ("amount", "text"), [("1", "1.00"), ("0.0019", "0.0019"), ("2.5", "2.50"), ("0.0000005", "0.000001"), ("0", "0.00")]
)
def test_an_amount_is_written_with_the_digits_it_has(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
