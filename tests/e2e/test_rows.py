"""Looking at rows in a real browser: back in time, from version to version, and away with them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.runtime.models import State
from collectors.sources.examples.shop.books.models import Book
from tests.e2e.conftest import SignIn
from tests.integration.factories import book, make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BOOKS = "/admin/examples_shop_books/book/"
FIRST = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SIZES = {"wide": (1400, 900), "phone": (375, 812)}
#: A person who wants to look at the pages says where their pictures go.
PICTURES = os.environ.get("DC_TEST_PICTURES", "")


def shelve(number: int, since: datetime, until: datetime | None = None, **values: Any) -> Book:
    row = Book.objects.create(**book(number, **values), archived_at=until)
    Book.objects.filter(pk=row.pk).update(created_at=since)
    return row


@pytest.fixture
def lighthouse() -> Book:
    """A book with a price that rose, that was away for a while, and came back under another title."""
    run = make_run(make_app(), State.SUCCEEDED)
    for _ in range(20):
        make_run(run.app, State.FAILED, cause="The page has no table of prices any more, " + "as it seems, " * 20)
    gone, back = FIRST + timedelta(days=4), FIRST + timedelta(days=9)
    for number in range(2, 70):
        shelve(number, FIRST, title=f"A book with quite a long title, number {number}", runtime=run.pk)
    shelve(1, FIRST, FIRST + timedelta(days=2), title="To the Lighthouse", runtime=run.pk, archived_by=run.pk)
    shelve(1, FIRST + timedelta(days=2), gone, title="To the Lighthouse", price="11.50", runtime="f" * 32)
    return shelve(1, back, title="To the Lighthouse (new edition, " + "revised " * 12 + ")", price="11.50")


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    def take(page: Page, name: str) -> None:
        if PICTURES:
            page.screenshot(path=Path(PICTURES, f"{name}-{request.node.callspec.id}.png"), full_page=True)

    return take


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_a_table_fit_and_nothing_complains(
    sign_in: SignIn, lighthouse: Book, picture: Callable[[Page, str], None], size: str, theme: Any
) -> None:
    page = sign_in()
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme)
    addresses = {
        "list": BOOKS,
        "then": f"{BOOKS}?as_of=2026-03-04&at=10:00&rows=all",
        "wrong": f"{BOOKS}?as_of=yesterday",
        "row": f"{BOOKS}{lighthouse.pk}/change/",
        "runs": "/admin/runtime/runtime/",
    }
    for name, address in addresses.items():
        page.goto(address)
        expect(page.locator("#main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        picture(page, name)


def test_one_goes_back_in_time_and_finds_the_row_as_it_was(sign_in: SignIn, lighthouse: Book) -> None:
    page = sign_in("viewer")
    page.goto(f"{BOOKS}?q=lighthouse")
    page.get_by_label("As of").fill("2026-03-02")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status").filter(has_text="2026-03-02 23:59:59")).to_be_visible()
    expect(page.locator("#result_list").get_by_text("9.90")).to_be_visible()
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("#result_list").get_by_text("11.50")).to_be_visible()
    page.locator("#result_list tbody a").first.click()
    versions = page.get_by_role("region", name="Versions of isbn")
    expect(versions.get_by_role("article")).to_have_count(3)
    expect(versions.get_by_text("Not seen between 2026-03-05 09:30:00 and 2026-03-10 09:30:00")).to_be_visible()
    expect(versions.get_by_role("row", name="price 9.90 11.50")).to_be_visible()


def test_what_the_list_shows_is_downloaded(sign_in: SignIn, lighthouse: Book, tmp_path: Path) -> None:
    page = sign_in("operator")
    page.goto(f"{BOOKS}?q=lighthouse&rows=all&as_of=2026-03-04")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    target = tmp_path / "rows.csv"
    download.value.save_as(target)
    assert download.value.suggested_filename.startswith("examples_shop_books_book-")
    with target.open(newline="") as file:
        assert [row["price"] for row in csv.DictReader(file)] == ["11.50", "9.90"]


def test_a_list_that_is_too_wide_has_its_scrollbar_below_its_last_row(sign_in: SignIn, lighthouse: Book) -> None:
    page = sign_in()
    page.goto("/admin/runtime/runtime/")
    bar = page.locator("#changelist [data-simplebar]:has(#result_list) > .simplebar-track.simplebar-horizontal")
    content = page.locator("#changelist [data-simplebar]:has(#result_list) .simplebar-content-wrapper")
    page.set_viewport_size({"width": 1400, "height": 900})
    expect(bar).to_be_hidden()
    assert content.evaluate("list => list.scrollWidth <= list.clientWidth")
    make_run(make_app("examples.shop." + "very_" * 6 + "long"))
    page.reload()
    expect(bar).to_be_visible()
    content.evaluate("list => list.scrollTo(0, list.scrollHeight)")
    last = page.locator("#result_list tbody").last.bounding_box()
    track = bar.bounding_box()
    assert last is not None
    assert track is not None
    assert last["y"] + last["height"] <= track["y"]
