from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.sources.examples.shop.stock.main import Stock
from collectors.sources.examples.shop.stock.models import BranchStock
from collectors.sources.examples.shop.stock.parser import parse_book, parse_page
from collectors.toolkit.errors import ParseError
from collectors.toolkit.testing import CannedClients, assert_contract, make_context

APP = "examples.shop.stock"
RECORDED = Path(__file__).parent / "recorded"
SHOP = "http://127.0.0.1:8000/demo/"


def test_it_keeps_the_contract() -> None:
    context = assert_contract(Stock, RECORDED, app=APP, args=Stock.Args(), limit=4)

    rows = context.records.rows(BranchStock)
    assert len(rows) == 12
    assert {row["branch"] for row in rows} == {"Harbour Street", "Old Mill", "Station"}


def book(isbn: str) -> str:
    return json.dumps({"isbn": isbn, "title": f"Book {isbn}", "stock": [{"branch": "Station", "copies": 3}]})


def entry(isbn: str) -> dict[str, str]:
    return {"isbn": isbn, "detail": f"/demo/api/books/{isbn}"}


def test_the_cursor_leads_through_all_pages() -> None:
    api = f"{SHOP}api/books"
    clients = CannedClients({
        api: json.dumps({"books": [entry("1"), entry("2")], "next": "a=b"}),
        f"{api}?cursor=a%3Db": json.dumps({"books": [entry("3")], "next": None}),
        **{f"{api}/{isbn}": book(isbn) for isbn in "123"},
    })  # fmt: skip
    context = make_context(Stock.Args(), app=APP, clients=clients)

    assert Stock(context).run().complete
    assert sorted(row["isbn"] for row in context.records.rows(BranchStock)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"<html>", "the answer: Invalid JSON"),
        (b'{"books": [{"isbn": "1"}], "next": null}', r"books\.0\.detail: Field required"),
        (b'{"books": []}', "next: Field required"),
    ],
)
def test_a_list_that_is_not_what_it_should_be_says_where(content: bytes, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        parse_page(content)


def test_an_answer_about_a_book_that_is_not_what_it_should_be_says_where() -> None:
    with pytest.raises(ParseError, match=r"stock\.0\.copies: Input should be greater than or equal to 0"):
        parse_book(book("1").replace("3", "-3").encode())
