from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from apps.console import demo
from collectors.sources.examples.shop.books.main import Books
from collectors.sources.examples.shop.books.models import Book
from collectors.sources.examples.shop.books.parser import parse_book, parse_list
from collectors.toolkit.http import ClientPool, Profile, Request, Session, networks
from collectors.toolkit.testing import make_context
from tests.unit.console.conftest import NOON

MINUTE = timedelta(minutes=1)
FIRST_BOOK_AT_NOON = demo.Book(
    isbn="9781458654281",
    title="The Archive at the End of Winter",
    author="Ada Berić",
    category="History",
    price=Decimal("16.55"),
    stock=22,
)


def prices(moment: datetime) -> dict[str, Decimal]:
    return {book.isbn: book.price for book in demo.catalogue(moment)}


# -- The catalogue ----------------------------------------------------------------------------------------------------


def test_the_same_minute_gives_the_same_catalogue() -> None:
    first = demo.catalogue(NOON)
    demo._catalogue.cache_clear()

    assert demo.catalogue(NOON + timedelta(seconds=29)) == first


def test_the_catalogue_of_a_minute_is_the_same_on_every_machine() -> None:
    assert demo.catalogue(NOON)[0] == FIRST_BOOK_AT_NOON


def test_it_offers_120_books_of_different_isbn() -> None:
    assert len(prices(NOON)) == len(demo.catalogue(NOON)) == 120


@pytest.mark.parametrize("hours", range(0, 48, 5))
def test_each_minute_some_prices_change_and_two_books_come_and_go(hours: int) -> None:
    before, after = prices(NOON + timedelta(hours=hours)), prices(NOON + timedelta(hours=hours) + MINUTE)

    assert len(before.keys() - after.keys()) == 2
    assert len(after.keys() - before.keys()) == 2
    changed = [isbn for isbn in before.keys() & after.keys() if before[isbn] != after[isbn]]
    assert 4 <= len(changed) <= 8


def test_only_the_stock_and_the_price_of_a_book_change() -> None:
    later = {book.isbn: book for book in demo.catalogue(NOON + timedelta(minutes=30))}

    kept = [(book, later[book.isbn]) for book in demo.catalogue(NOON) if book.isbn in later]
    assert len(kept) == demo.LASTING
    assert all((old.title, old.author, old.category) == (new.title, new.author, new.category) for old, new in kept)


def test_prices_are_sensible() -> None:
    for book in demo.catalogue(NOON):
        assert Decimal(4) < book.price < Decimal(50)
        assert book.price.as_tuple().exponent == -2
        assert 0 <= book.stock < 40


@pytest.mark.parametrize("number", [0, 1, 109, 110, 59_000_000, 10**9 - 1])
def test_an_isbn_ends_in_its_check_digit(number: int) -> None:
    digits = [int(digit) for digit in demo.isbn13(number)]

    assert len(digits) == 13
    assert sum(digits[0::2]) % 10 == -3 * sum(digits[1::2]) % 10


# -- The pages --------------------------------------------------------------------------------------------------------


def test_a_list_page_shows_twenty_books_and_leads_to_the_next(client: Client, set_clock: object) -> None:
    page = parse_list(client.get("/demo/").content, "http://localhost/demo/")

    assert len(page.book_urls) == 20
    assert page.next_url == f"http://localhost/demo/?page=2&at={demo.minute_of(NOON)}"


def test_the_last_page_leads_nowhere(client: Client, set_clock: object) -> None:
    assert parse_list(client.get("/demo/?page=6").content, "http://localhost/demo/").next_url is None


def test_the_page_of_a_book_says_what_the_catalogue_says(client: Client, set_clock: object) -> None:
    book = demo.catalogue(NOON)[7]

    row = parse_book(client.get(reverse("demo:book", args=[book.isbn])).content)

    assert (row.isbn, row.title, row.author) == (book.isbn, book.title, book.author)
    assert (row.category, row.price, row.stock) == (book.category, book.price, book.stock)


def test_numbers_look_the_same_in_every_language(client: Client, set_clock: object) -> None:
    book = demo.catalogue(NOON)[7]

    response = client.get(f"/demo/books/{book.isbn}/", headers={"accept-language": "de"})

    assert parse_book(response.content).price == book.price


@pytest.mark.parametrize(
    "address",
    [
        "?page=7",
        "?page=0",
        "?page=-1",
        "?page=two",
        "?page=",
        "?page=1.5",
        "?page=99999999999999999999999999",
        "?at=yesterday",
        "?at=",
        "?at=-1",
        "?at=\u0663",
        "?at=1",
        "?at=99999999999999999999999999",
        "books/9780000000000/",
        "books/x/",
        "books/",
        "other/",
    ],
)
def test_what_does_not_exist_is_not_found(client: Client, set_clock: object, address: str) -> None:
    assert client.get(f"/demo/{address}").status_code == 404


def test_a_walk_that_began_before_the_minute_changed_sees_one_catalogue(
    client: Client, set_clock: Callable[[datetime], None]
) -> None:
    url: str | None = "http://localhost/demo/"
    seen: list[str] = []
    for step in range(20):
        if url is None:
            break
        set_clock(NOON + step * 3 * MINUTE)
        page = parse_list(client.get(url).content, url)
        seen += [parse_book(client.get(book).content).isbn for book in page.book_urls]
        url = page.next_url

    assert seen == [book.isbn for book in demo.catalogue(NOON)]


def test_links_work_for_an_hour(client: Client, set_clock: Callable[[datetime], None]) -> None:
    address = f"/demo/?at={demo.minute_of(NOON)}"

    set_clock(NOON + timedelta(minutes=60))
    assert client.get(address).status_code == 200
    set_clock(NOON + timedelta(minutes=61))
    assert client.get(address).status_code == 404
    set_clock(NOON - MINUTE)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_it_can_only_be_read(client: Client, set_clock: object, method: str) -> None:
    assert getattr(client, method)("/demo/").status_code == 405


def test_it_answers_head(client: Client, set_clock: object) -> None:
    assert client.head("/demo/").status_code == 200


def test_it_sets_no_cookie_and_stays_out_of_search_engines(client: Client, set_clock: object) -> None:
    for address in ("/demo/", f"/demo/books/{demo.catalogue(NOON)[0].isbn}/"):
        response = client.get(address)
        assert not response.cookies
        assert response["X-Robots-Tag"] == "noindex"


def test_pages_hold_no_inline_style_or_script_and_their_stylesheet_exists(client: Client, set_clock: object) -> None:
    html = client.get("/demo/").content.decode()

    assert not re.search(r"<style|<script|\sstyle=|\son\w+=", html)
    assert "console/demo.css" in html
    assert finders.find("console/demo.css") is not None


# -- The example source on it -----------------------------------------------------------------------------------------


def test_the_example_source_collects_the_shop_and_sees_it_change(
    shop_url: str, set_clock: Callable[[datetime], None]
) -> None:
    session = Session(Profile(allowed=networks(" ".join(Books.allowed_networks))))
    pool = ClientPool(lambda: Request(session=session))
    first = make_context(Books.Args(base_url=shop_url), app="examples.shop.books", clients=pool)
    assert Books(first).run().complete
    assert {row["isbn"]: row["price"] for row in first.records.rows(Book)} == prices(NOON)

    set_clock(NOON + MINUTE)
    again = make_context(first.args, app="examples.shop.books", clients=pool, records=first.records)
    assert Books(again).run().complete
    pool.close()

    assert {row["isbn"]: row["price"] for row in again.records.rows(Book)} == prices(NOON + MINUTE)
    assert 6 <= len(again.records.history(Book)) <= 10
