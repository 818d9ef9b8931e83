"""The parts of the demo shop to practise on, the API, the trade desk and the outlet, and what collects them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.console import demo, demo_outlet, demo_trade
from collectors.contract import Ending
from collectors.sources.examples.shop.outlet.main import Outlet
from collectors.sources.examples.shop.outlet.models import Copy
from collectors.sources.examples.shop.stock.main import Stock
from collectors.sources.examples.shop.stock.models import BranchStock
from collectors.sources.examples.shop.trade.main import Trade
from collectors.sources.examples.shop.trade.models import TradePrice
from collectors.toolkit.http import ClientPool, Profile, Request, Session, networks
from collectors.toolkit.parsing.html import form, parse_html
from collectors.toolkit.testing import make_context
from tests.unit.console.conftest import NOON

SECOND = timedelta(seconds=1)
RIGHT = {"user": demo_trade.USER, "password": demo_trade.PASSWORD}
SetClock = Callable[[datetime], None]


# -- The API ----------------------------------------------------------------------------------------------------------


def test_a_cursor_leads_through_every_book_once_although_the_minute_changes(
    client: Client, set_clock: SetClock
) -> None:
    seen: list[str] = []
    address: str | None = "/demo/api/books"
    for step in range(10):
        if address is None:
            break
        set_clock(NOON + step * timedelta(minutes=3))
        page = client.get(address).json()
        seen += [book["isbn"] for book in page["books"]]
        address = f"/demo/api/books?cursor={page['next']}" if page["next"] else None

    assert seen == [book.isbn for book in demo.catalogue(NOON)]


def test_the_branches_of_a_book_have_its_stock_together(client: Client, set_clock: SetClock) -> None:
    for book in demo.catalogue(NOON)[:5]:
        found = client.get(f"/demo/api/books/{book.isbn}").json()

        assert sum(entry["copies"] for entry in found["stock"]) == book.stock
        assert len({entry["branch"] for entry in found["stock"]}) == 3


@pytest.mark.parametrize("cursor", ["", "x", "!!", "MTow", "OTk5OTk5OTk6MA", "MjkwMDAwMDA", "w6k"])
def test_a_cursor_that_leads_nowhere_is_refused(client: Client, set_clock: SetClock, cursor: str) -> None:
    response = client.get("/demo/api/books", {"cursor": cursor})

    assert (response.status_code, "error" in response.json()) == (400, True)


def test_a_book_that_the_shop_does_not_have_is_not_found(client: Client, set_clock: SetClock) -> None:
    response = client.get("/demo/api/books/0")

    assert (response.status_code, json.loads(response.content)) == (404, {"error": "The shop does not have this book."})


# -- The trade desk ---------------------------------------------------------------------------------------------------


def fields_of_form(client: Client) -> dict[str, str]:
    return form(parse_html(client.get("/demo/trade/login/").content), "http://localhost/", "form.login").fields


def test_prices_are_for_those_who_have_signed_in(client: Client, set_clock: SetClock) -> None:
    assert client.get("/demo/trade/").headers["Location"] == "/demo/trade/login/"

    signed_in = client.post("/demo/trade/login/", {**fields_of_form(client), **RIGHT})

    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/demo/trade/")
    cookie = signed_in.cookies["demo_trade"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/demo/", True, "Lax")
    page = client.get("/demo/trade/")
    assert page.content.count(b"<tr>") == 41
    assert page["Cache-Control"] == "no-store"
    assert client.get("/demo/trade/?page=9").status_code == 404


@pytest.mark.parametrize("wrong", [{"password": "Demo"}, {"user": "writer"}, {"password": ""}, {"user": "reader\nx"}])
def test_a_wrong_password_gets_the_form_again_with_status_200(
    client: Client, set_clock: SetClock, wrong: dict[str, str]
) -> None:
    response = client.post("/demo/trade/login/", {**fields_of_form(client), **RIGHT, **wrong})

    assert response.status_code == 200
    assert b"User or password are wrong." in response.content
    assert not response.cookies


@pytest.mark.parametrize("token", ["", "x", "InNlc3Npb24i:1:x"])
def test_a_form_without_its_token_is_refused(client: Client, set_clock: SetClock, token: str) -> None:
    assert client.post("/demo/trade/login/", {**RIGHT, "token": token}).status_code == 400


def test_the_token_of_the_form_is_no_session(client: Client, set_clock: SetClock) -> None:
    client.cookies["demo_trade"] = fields_of_form(client)["token"]

    assert client.get("/demo/trade/").status_code == 302


# -- The outlet -------------------------------------------------------------------------------------------------------


def test_one_copy_is_busy_every_other_second_and_says_when_to_come_back(client: Client, set_clock: SetClock) -> None:
    address = f"/demo/outlet/{demo_outlet.BUSY}/"

    assert (client.get(address).status_code, client.get(address)["Retry-After"]) == (503, "1")
    set_clock(NOON + SECOND)
    assert client.get(address).status_code == 200


def test_most_copies_that_the_list_names_are_gone(client: Client, set_clock: SetClock) -> None:
    set_clock(NOON + SECOND)
    found = [client.get(f"/demo/outlet/{number}/").status_code for number in range(demo_outlet.COPIES + 1)]

    assert found == [404] + [200] * 7 + [404] * 23


# -- The examples on it -----------------------------------------------------------------------------------------------


@pytest.fixture
def clients() -> Iterator[ClientPool]:
    session = Session(Profile(allowed=networks("127.0.0.1")))
    pool = ClientPool(lambda: Request(session=session))
    yield pool
    pool.close()


def test_the_threads_of_trade_share_one_login(shop_url: str, set_clock: SetClock, clients: ClientPool) -> None:
    args = Trade.Args(base_url=shop_url)
    context = make_context(args, app="examples.shop.trade", clients=clients, secrets={"password": demo_trade.PASSWORD})

    assert Trade(context).run().complete
    assert {row["isbn"] for row in context.records.rows(TradePrice)} == {book.isbn for book in demo.catalogue(NOON)}


def test_stock_finds_every_book_in_every_branch(shop_url: str, set_clock: SetClock, clients: ClientPool) -> None:
    context = make_context(Stock.Args(base_url=shop_url), app="examples.shop.stock", clients=clients)

    assert Stock(context).run().complete
    rows: list[dict[str, Any]] = context.records.rows(BranchStock)
    assert len(rows) == 3 * 120
    assert sum(row["copies"] for row in rows) == sum(book.stock for book in demo.catalogue(NOON))


def test_outlet_gives_up_and_keeps_what_it_had(shop_url: str, set_clock: SetClock, clients: ClientPool) -> None:
    set_clock(NOON + SECOND)
    context = make_context(Outlet.Args(base_url=shop_url), app="examples.shop.outlet", clients=clients)

    outcome = Outlet(context).run()

    assert (outcome.ending, outcome.complete) == (Ending.FAILED, False)
    assert outcome.cause.startswith("Gave up after 4 errors of the category http in a row.")
    assert [row["number"] for row in context.records.rows(Copy)] == [1, 2, 3, 5, 6, 7]
