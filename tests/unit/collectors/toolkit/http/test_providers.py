"""How ways out are written, and what they cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.http import BadProvider, BrightDataProvider, ListProvider, Price
from collectors.toolkit.http.domains import site_of

ZONE: Any = {"host": "gateway.example", "port": 33335, "user": "brd-customer-c1-zone-z1"}


def test_a_session_of_a_gateway_names_country_and_session() -> None:
    provider = BrightDataProvider(**ZONE, password="s3cret", country="de")
    proxy = provider.proxy("ab12")

    assert proxy.url == "http://brd-customer-c1-zone-z1-country-de-session-ab12:s3cret@gateway.example:33335"
    assert proxy.label == "gateway.example:33335/ab12"
    assert "s3cret" not in f"{proxy!r} {provider!r}"
    assert provider.new_session() != provider.new_session()


@given(st.text(min_size=1, max_size=30))
def test_any_password_survives_the_way_into_a_url(password: str) -> None:
    try:
        password.encode()
    except UnicodeEncodeError:
        return
    url = BrightDataProvider(**ZONE, password=password).proxy("ab12").url

    assert unquote(urlsplit(url).password or "") == password
    assert urlsplit(url).hostname == "gateway.example"


@pytest.mark.parametrize("session", ["", "a-b", "x" * 33, "a@b"])
def test_what_would_change_the_user_is_no_session(session: str) -> None:
    with pytest.raises(BadProvider, match="is no session"):
        BrightDataProvider(**ZONE, password="p").proxy(session)


def test_a_list_is_read_a_line_at_a_time() -> None:
    provider = ListProvider.from_text("# ours\nhttp://u:p@one.example:3128\n\nsocks5://two.example\n")

    assert [provider.proxy(session).label for session in provider.sessions()] == [
        "one.example:3128",
        "two.example:1080",
    ]


def test_a_new_password_is_the_same_way_out() -> None:
    before, after = (ListProvider([f"http://u:{password}@one.example:3128"]) for password in ("old", "new"))

    assert before.sessions() == after.sessions()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The list is empty"),
        ("http://ok.example:1\nftp://u:hidden@x", "Proxy 2 of the list"),
        ("http://", "Proxy 1"),
    ],
)
def test_what_is_no_list_is_said_without_its_passwords(text: str, words: str) -> None:
    with pytest.raises(BadProvider, match=words) as caught:
        ListProvider.from_text(text)

    assert "hidden" not in str(caught.value)


def test_costs_are_exact() -> None:
    price = Price(per_gb=Decimal("8.40"), per_request=Decimal("0.0001"))

    assert price.of(requests=3, size=1_500_000) == Decimal("0.0129")


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.shop.example.co.uk", "example.co.uk"),
        ("Shop.Example.", "shop.example"),
        ("me.github.io", "me.github.io"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_of_one_owner_are_one_site(host: str, site: str) -> None:
    assert site_of(host) == site
