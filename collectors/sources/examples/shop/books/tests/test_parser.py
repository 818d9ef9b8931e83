from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from collectors.sources.examples.shop.books.parser import BookRow, parse_book, parse_list
from collectors.toolkit.errors import ParseError

PAGES = Path(__file__).parent / "pages"
URL = "http://127.0.0.1:8000/demo/?page=1"


def test_a_list_page_names_its_books_and_the_page_after_it() -> None:
    page = parse_list((PAGES / "list-1.html").read_bytes(), URL)

    assert page.book_urls == [
        "http://127.0.0.1:8000/demo/books/9781458654281/?at=29000000",
        "http://127.0.0.1:8000/demo/books/9786490458682/?at=29000000",
    ]
    assert page.next_url == "http://127.0.0.1:8000/demo/?page=2&at=29000000"


def test_the_last_page_leads_nowhere() -> None:
    page = parse_list((PAGES / "list-2.html").read_bytes(), URL)

    assert len(page.book_urls) == 1
    assert page.next_url is None


@pytest.mark.parametrize("html", [b"", b"<html><body><h1>Not Found</h1></body></html>"])
def test_it_refuses_a_page_without_a_list(html: bytes) -> None:
    with pytest.raises(ParseError, match="holds no list of books"):
        parse_list(html, URL)


def test_it_refuses_a_link_without_a_target() -> None:
    with pytest.raises(ParseError, match="leads nowhere"):
        parse_list(b'<ol class="books"><li><a>Title</a></li></ol>', URL)


def test_it_reads_a_book() -> None:
    assert parse_book((PAGES / "book-1.html").read_bytes()) == BookRow(
        isbn="9781458654281",
        title="The Archive at the End of Winter",
        author="Ada Berić",
        category="History",
        price=Decimal("15.69"),
        stock=32,
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("article", "section", "describes no book"),
        ('class="isbn"', 'class="number"', "does not name its isbn"),
        ("Ada Berić", "  ", "does not name its author"),
        ("€ 15.69", "on request", 'price of the book is "on request"'),
        (">32<", ">sold out<", 'stock of the book is "sold out"'),
    ],
)
def test_it_says_what_is_wrong_with_the_page_of_a_book(old: str, new: str, complaint: str) -> None:
    html = (PAGES / "book-1.html").read_text(encoding="utf-8")
    assert old in html

    with pytest.raises(ParseError, match=complaint):
        parse_book(html.replace(old, new).encode())
