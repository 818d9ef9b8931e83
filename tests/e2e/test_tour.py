"""The first ten minutes on a platform that `manage.py up` has just started; what is seen on the way are our pictures.

DC_TEST_PICTURES=docs/images .venv/bin/pytest tests/e2e/test_tour.py
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.conftest import wait_for
from tests.e2e.conftest import Complaints, listen, press
from tests.services import databases
from tests.services.platform import Up

PICTURES = os.environ.get("DC_TEST_PICTURES", "")
MOST_BYTES = 300_000
#: The clock starts the shop again after a minute, with prices of another minute.
A_SECOND_RUN_MS = 150_000

Picture = Callable[[Page, str], None]


@pytest.fixture
def up(tmp_path: Path, django_db_setup: None) -> Iterator[Up]:
    platform = Up(tmp_path / "data")
    databases.give(platform.folder)
    platform.start()
    yield platform
    platform.end()


@pytest.fixture
def page(browser: Browser, up: Up, complaints: Complaints) -> Iterator[Page]:
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{up.port}", viewport={"width": 1280, "height": 860}, color_scheme="light"
    )
    context.set_default_timeout(20_000)
    listen(context, complaints)
    yield context.new_page()
    context.close()


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    folder = Path(PICTURES) if PICTURES else tmp_path

    def take(page: Page, name: str) -> None:
        page.evaluate("document.fonts.ready")
        path = folder / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        assert path.stat().st_size < MOST_BYTES, name

    return take


def test_the_first_ten_minutes(up: Up, page: Page, picture: Picture) -> None:
    up.ready()
    link = re.search(r"/login/\S+", up.said())
    assert link is not None
    page.goto(link.group())
    press(page, "Sign in")

    # Something has run, something has failed on purpose, and a newcomer is led.
    expect(page.get_by_role("heading", name="First steps 0 of 7 done")).to_be_visible()
    expect(page.locator("#need-disabled")).to_be_visible(timeout=60_000)
    watch_a_run(page, picture)
    repair_the_broken_one(page, picture)
    see_what_changed(page, picture)
    set_a_schedule(page)

    page.goto("/admin/")
    expect(page.get_by_role("heading", name="First steps 4 of 7 done")).to_be_visible()
    expect(page.locator("#need-disabled")).to_have_count(0)
    picture(page, "home")
    page.emulate_media(color_scheme="dark")
    page.reload()
    picture(page, "home-dark")
    press(page, "Hide the first steps")
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)

    page.goto("about:blank")
    assert up.process is not None
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(40) == 0, up.said()


def open_app(page: Page, code: str) -> None:
    page.goto("/admin/registry/app/")
    page.get_by_role("link", name=code, exact=True).click()
    expect(page.get_by_role("heading", name=code).or_(page.get_by_text(code).first).first).to_be_visible()


def watch_a_run(page: Page, picture: Picture) -> None:
    """Start one, and watch it to its end."""
    open_app(page, "examples.shop.books")
    press(page, "Run now")
    expect(page.locator(".dc-sentence", has_text="Ran to its end.")).to_be_visible(timeout=60_000)
    picture(page, "run")


def repair_the_broken_one(page: Page, picture: Picture) -> None:
    """Its page says in one sentence what to do."""
    open_app(page, "examples.shop.shelf")
    sentence = 'The shop has no shelf "Poetri": write Poetry into the argument "category" of this app, save, and enable'
    expect(page.get_by_text(sentence).first).to_be_visible()
    picture(page, "broken")
    written = page.locator("textarea[name=args]")
    assert "Poetri" in written.input_value()
    written.fill(written.input_value().replace("Poetri", "Poetry"))
    press(page, "Save")
    page.wait_for_url("**/registry/app/")
    open_app(page, "examples.shop.shelf")
    press(page, "Enable again with a trial run")
    # Its trial run has begun, and is shown.
    expect(page.locator(".dc-sentence", has_text="Ran to its end.")).to_be_visible(timeout=60_000)


def see_what_changed(page: Page, picture: Picture) -> None:
    """The shop has new prices each minute: the second run archives rows, and a row shows what changed."""

    def is_there() -> bool:
        page.goto("/admin/examples_shop_books/book/?rows=archived")
        return page.locator("#result_list tbody tr").count() > 0

    wait_for(is_there, seconds=A_SECOND_RUN_MS / 1000)
    page.goto("/admin/examples_shop_books/book/?rows=all")
    picture(page, "rows")
    page.goto("/admin/examples_shop_books/book/?rows=archived")
    page.locator("#result_list tbody tr a").first.click()
    expect(page.get_by_text("price").first).to_be_visible()
    picture(page, "row")


def set_a_schedule(page: Page) -> None:
    """No code is edited; the next due times are shown."""
    open_app(page, "examples.shop.books")
    page.locator("select[name=schedule]").select_option("CRON")
    page.locator("input[name=cron]").fill("*/5 * * * *")
    press(page, "Save")
    page.wait_for_url("**/registry/app/")
    expect(page.get_by_role("row", name="examples.shop.books").get_by_text("*/5 * * * *")).to_be_visible()
