from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from collectors.sources.examples.shop.trade.main import Trade
from collectors.sources.examples.shop.trade.models import TradePrice
from collectors.sources.examples.shop.trade.parser import parse_pages, parse_prices
from collectors.toolkit.errors import LoginFailed, MissingSecret, ParseError
from collectors.toolkit.testing import Answer, CannedClients, assert_contract, make_context

APP = "examples.shop.trade"
RECORDED = Path(__file__).parent / "recorded"
SHOP = "http://127.0.0.1:8000/demo/"
FORM = (
    '<form class="login" method="post" action="/demo/trade/login/"><input type="hidden" name="token" value="t1">'
    '<input name="user"><input name="password" type="password"></form>'
)
LIST = (
    '<table class="trade"><tr><th>ISBN</th><th>Title</th><th>Trade price</th></tr>'
    '<tr><td>1</td><td>One</td><td>€ 9.90</td></tr></table><nav><a class="page" href="/demo/trade/?page=1">1</a></nav>'
)


def test_it_keeps_the_contract() -> None:
    context = assert_contract(Trade, RECORDED, app=APP, args=Trade.Args(), secrets={"password": "demo"})

    assert len(context.records.rows(TradePrice)) == 120


def desk(answer: Callable[[httpx.Request], httpx.Response]) -> CannedClients:
    """A trade desk that answers the form so."""

    def login(request: httpx.Request) -> httpx.Response:
        return answer(request) if request.method == "POST" else httpx.Response(200, html=FORM)

    answers: dict[str, Answer] = {f"{SHOP}trade/login/": login, f"{SHOP}trade/?page=1": LIST}
    return CannedClients(answers)


def test_it_sends_the_hidden_token_back_with_user_and_password() -> None:
    clients = desk(lambda _: httpx.Response(200, html=LIST))
    Trade(make_context(Trade.Args(), app=APP, clients=clients, secrets={"password": "p&w"})).run()

    sent = next(request for request in clients.requests if request.method == "POST")
    assert sent.content == b"token=t1&user=reader&password=p%26w"


def test_a_login_that_fails_with_status_200_is_seen_and_disables_the_app() -> None:
    clients = desk(lambda _: httpx.Response(200, html=FORM))
    context = make_context(Trade.Args(), app=APP, clients=clients, secrets={"password": "wrong"})

    with pytest.raises(LoginFailed, match=r"trade/login/ does not let reader in: correct the credential password"):
        Trade(context).run()

    assert len(clients.requests) == 2
    assert context.records.rows(TradePrice) == []


def test_without_a_credential_it_says_which_one_is_missing() -> None:
    clients = desk(lambda _: httpx.Response(200, html=LIST))

    with pytest.raises(MissingSecret, match="password"):
        Trade(make_context(Trade.Args(), app=APP, clients=clients)).run()


def test_a_list_that_is_not_what_it_should_be_is_refused() -> None:
    with pytest.raises(ParseError, match="names no pages"):
        parse_pages(b"<p>Welcome</p>", SHOP)
    with pytest.raises(ParseError, match="'on request' is not a number"):
        parse_prices(LIST.replace("€ 9.90", "on request").encode())
