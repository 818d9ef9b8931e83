from __future__ import annotations

from decimal import Decimal

import pytest

from collectors.sources.examples.shop.shelf.main import Shelf
from collectors.sources.examples.shop.shelf.models import ShelfBook
from collectors.sources.examples.shop.shelf.parser import parse_list
from collectors.toolkit.errors import Blocker, ParseError
from collectors.toolkit.testing import CannedClients, MemoryContext, make_context

SHOP = "http://127.0.0.1:8000/demo/"
SECOND = f"{SHOP}?page=2&at=29000000"


def entry(number: int, category: str, price: str = "€ 9.90") -> str:
    return (
        f'<li><a href="/demo/books/{number:013}/?at=29000000">Book {number}</a><span class="author">A. Writer</span>'
        f'<span class="category">{category}</span><span class="price">{price}</span></li>'
    )


def page(*entries: str, end: str = "") -> str:
    return f'<ol class="books">{"".join(entries)}</ol>{end}'


def run_for(category: str) -> MemoryContext:
    first = page(entry(1, "Poetry"), entry(2, "Art"), end='<a rel="next" href="/demo/?page=2&amp;at=29000000">Next</a>')
    clients = CannedClients({SHOP: first, SECOND: page(entry(3, "Poetry", "€ 12.00"))})
    context = make_context(Shelf.Args(category=category), app="examples.shop.shelf", clients=clients)
    assert Shelf(context).run().complete
    return context


def test_the_books_of_one_shelf_are_kept_from_all_pages() -> None:
    rows = run_for("Poetry").records.rows(ShelfBook)

    assert [(row["isbn"], row["price"]) for row in rows] == [
        ("0000000000001", Decimal("9.90")),
        ("0000000000003", Decimal("12.00")),
    ]


def test_a_shelf_that_is_not_there_says_which_one_is_meant_and_what_to_do() -> None:
    with pytest.raises(Blocker, match='no shelf "Poetri": write Poetry into the argument "category" of this app, save'):
        run_for("Poetri")


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ("<h1>Not Found</h1>", "holds no list of books"),
        (page(entry(1, "Poetry", "on request")), "no price"),
        (page(entry(1, "")), "has no category"),
        (page("<li>Sold out</li>"), "has no price"),
    ],
)
def test_a_list_that_is_not_what_it_should_be_is_refused(html: str, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        parse_list(html.encode(), SHOP)
