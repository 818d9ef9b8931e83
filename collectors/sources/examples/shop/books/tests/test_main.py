from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from collectors.contract import Ending
from collectors.sources.examples.shop.books.main import Books
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import SiteUnreachable
from collectors.toolkit.testing import CannedClients, MemoryContext, MemoryRecords, make_context

PAGES = Path(__file__).parent / "pages"
SHOP = "http://127.0.0.1:8000/demo/"


def shop() -> CannedClients:
    return CannedClients(
        {
            SHOP: PAGES / "list-1.html",
            f"{SHOP}?page=2&at=29000000": PAGES / "list-2.html",
            f"{SHOP}books/9781458654281/?at=29000000": PAGES / "book-1.html",
            f"{SHOP}books/9786490458682/?at=29000000": PAGES / "book-2.html",
            f"{SHOP}books/9783974556483/?at=29000000": PAGES / "book-3.html",
        }
    )


def context_of(clients: CannedClients, records: MemoryRecords | None = None, limit: int | None = None) -> MemoryContext:
    return make_context(Books.Args(), app="examples.shop.books", clients=clients, records=records, limit=limit)


def test_it_collects_the_books_of_all_pages() -> None:
    context = context_of(shop())

    outcome = Books(context).run()

    assert outcome.complete
    assert (context.progress.solved, context.progress.size) == (3, 3)
    assert [(row["isbn"], row["price"], row["stock"]) for row in context.records.rows(Book)] == [
        ("9781458654281", Decimal("15.69"), 32),
        ("9786490458682", Decimal("11.09"), 0),
        ("9783974556483", Decimal("27.75"), 12),
    ]


def test_a_new_price_archives_the_old_row_and_inserts_a_new_one() -> None:
    clients = shop()
    first = context_of(clients)
    Books(first).run()
    html = (PAGES / "book-1.html").read_text(encoding="utf-8").replace("15.69", "9.90")
    clients.answer(f"{SHOP}books/9781458654281/?at=29000000", html)

    Books(context_of(clients, first.records)).run()

    assert [row["price"] for row in first.records.history(Book)] == [Decimal("15.69")]
    assert Decimal("9.90") in [row["price"] for row in first.records.rows(Book)]
    assert len(first.records.rows(Book)) == 3


def test_a_book_that_is_no_longer_listed_is_archived() -> None:
    clients = shop()
    first = context_of(clients)
    Books(first).run()
    clients.answer(f"{SHOP}?page=2&at=29000000", '<ol class="books"></ol>')

    Books(context_of(clients, first.records)).run()

    assert [row["isbn"] for row in first.records.history(Book)] == ["9783974556483"]


def test_a_limited_run_archives_nothing() -> None:
    clients = shop()
    first = context_of(clients)
    Books(first).run()

    outcome = Books(context_of(clients, first.records, limit=1)).run()

    assert not outcome.complete
    assert len(first.records.rows(Book)) == 3


def test_a_list_page_that_fails_ends_the_run_before_anything_is_stored() -> None:
    clients = shop()
    clients.answer(f"{SHOP}?page=2&at=29000000", '<ol class="books"></ol><a rel="next" href="http://gone.example/">')
    context = context_of(clients)

    with pytest.raises(SiteUnreachable, match=r"gone\.example"):
        Books(context).run()

    assert context.records.rows(Book) == []


def test_a_shop_where_every_book_fails_ends_as_failed() -> None:
    clients = CannedClients({SHOP: PAGES / "list-1.html", f"{SHOP}?page=2&at=29000000": PAGES / "list-2.html"})
    context = context_of(clients)

    outcome = Books(context).run()

    assert outcome.ending is Ending.FAILED
    assert outcome.cause.startswith("None of 3 items could be collected.")
    assert context.records.rows(Book) == []


def test_it_refuses_a_base_url_that_is_no_web_address() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        Books.Args(base_url="127.0.0.1:8000")
