"""The first minutes of a new user: sign in, start something, watch it, stop it, see its rows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from apps.accounts.models import LoginLink
from apps.accounts.services import ensure_administrator, issue_login_link
from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.runtime.models import Runtime, State
from collectors.sources.examples.shop.books.models import Book
from tests.e2e.conftest import Complaints, SignIn, press
from tests.integration.factories import book, make_app, make_run
from tests.integration.people import make_person

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_a_login_link_signs_in_once(page: Page, context: BrowserContext, complaints: Complaints) -> None:
    path = issue_login_link(user=ensure_administrator(), now=utc_now())
    page.goto(path)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert LoginLink.objects.get().used_at is None
    press(page, "Sign in")
    page.wait_for_url("**/admin/")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    expect(page.get_by_text("No app is registered.")).to_be_visible()

    complaints.expect("410")
    page.goto(path)
    press(page, "Sign in")
    expect(page.get_by_role("heading", name="This link is not valid any more")).to_be_visible()


def test_an_app_is_started_watched_and_its_rows_are_seen(sign_in: SignIn) -> None:
    app = make_app(is_enabled=True)
    page = sign_in("operator")
    page.locator("#nav-sidebar").get_by_role("link", name="Apps").click()
    page.get_by_role("link", name="examples.shop.books").click()
    press(page, "Run now")
    expect(page.get_by_text("examples.shop.books was started.")).to_be_visible()
    expect(page.get_by_text("Waits for a manager with a free slot.")).to_be_visible()

    # What a manager and its collector would write; the page follows by itself.
    run = Runtime.objects.get(app=app)
    assert run.move(State.STARTING, slot=0, started_at=utc_now())
    assert run.move(State.RUNNING, task_size=4, solved=1)
    Log.objects.create(runtime=run, app=app, line_number=1, logged_at=utc_now(), message="page.fetched")
    expect(page.get_by_text("25 % of 4")).to_be_visible()
    expect(page.get_by_text("page.fetched")).to_be_visible()
    Book.objects.create(**book(1, title="The Lighthouse", runtime=run.pk))
    assert run.finish(State.SUCCEEDED, at=utc_now(), rows_seen=1, rows_inserted=1, is_complete=True)
    expect(page.get_by_text("Ran to its end.")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)

    page.get_by_role("link", name="Rows of books that this run wrote or archived").click()
    expect(page.get_by_text("The Lighthouse")).to_be_visible()
    page.get_by_role("link", name=run.pk[:8]).click()
    page.wait_for_url(re.compile(run.pk))


def test_a_waiting_run_is_stopped_with_one_click(sign_in: SignIn) -> None:
    run = make_run(make_app(is_enabled=True))
    page = sign_in("operator")
    page.get_by_role("region", name="Running now").get_by_role("link").click()
    press(page, "Stop")
    expect(page.get_by_text(f"Asked run {run.pk[:8]} of examples.shop.books to stop.")).to_be_visible()
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_many_apps_are_enabled_from_the_list(sign_in: SignIn) -> None:
    apps = [make_app(f"prices.acme.app{number}") for number in range(3)]
    page = sign_in("operator")
    page.goto("/admin/registry/app/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("enable_apps")
    press(page, "Run")
    expect(page.get_by_text("Nothing has been done yet")).to_be_visible()
    press(page, "Enable: 3 apps")
    expect(page.get_by_text("3 apps enabled")).to_be_visible()
    for app in apps:
        app.refresh_from_db()
        assert app.is_enabled


def focused(page: Page, role: Any, name: str) -> None:
    """The keyboard is there, and one can see it."""
    expect(page.get_by_role(role, name=name, exact=True)).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", name


def test_the_main_jobs_are_done_by_keys_alone(page: Page, complaints: Complaints) -> None:
    complaints.expect("WebSocket")  # this server has none; the log falls back to asking
    person = make_person("operator")
    person.set_password("quite a long sentence")
    person.save()
    app = make_app(is_enabled=True)
    make_app("a.b.other")
    page.goto("/admin/login/?next=/admin/")
    name = page.locator("#id_username")
    expect(name).to_be_visible()
    while not name.evaluate("name => name === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type("quite a long sentence")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()

    # The menu can be left out; the dialog keeps the keyboard, and gives it back.
    page.keyboard.press("Tab")
    focused(page, "link", "Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#content') !== null")
    page.get_by_role("button", name="Search or act").focus()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Search or act")).to_be_focused()

    page.keyboard.press("Control+k")
    words = page.get_by_role("combobox", name="Search or act")
    expect(words).to_be_focused()
    words.press_sequentially("run boo")
    expect(page.get_by_role("option", name="Run now examples.shop.books")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("#dc-palette [aria-current=step]")).to_have_text("done")
    run = Runtime.objects.get(app=app)

    words.fill("stop boo")
    expect(page.get_by_role("option", name="Stop examples.shop.books")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()
    run.refresh_from_db()
    assert run.state == State.QUEUED  # nothing before one has said yes
    page.keyboard.press("Enter")
    expect(page.locator("#dc-palette [aria-current=step]")).to_have_text("done")
    run.refresh_from_db()
    assert run.state == State.CANCELLED

    # What was used last stands first; a tail is the live log.
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_contain_text("Stop examples.shop.books")
    words.fill("tail boo")
    expect(page.get_by_role("option", name="Tail examples.shop.books")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runtime/{run.pk}/log/")

    # A list is searched and filtered, and a row of it opened.
    page.goto("/admin/runtime/runtime/")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("state:cancelled")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=state**")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url(f"**/runtime/{run.pk}/change/**")

    # The keys of the page are listed, and single letters can be switched off for good.
    page.goto("/admin/registry/app/")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    expect(page.get_by_text("next row, previous row")).to_be_visible()
    with page.expect_response("**/preferences/"):
        page.get_by_label("Keys that are a single letter").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#dc-keys")).to_be_hidden()
