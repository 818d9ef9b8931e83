"""The first minutes of a new user: sign in, start something, watch it, stop it, see its rows."""

from __future__ import annotations

import re

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
    expect(page.get_by_text("3 of 3 apps enabled.")).to_be_visible()
    for app in apps:
        app.refresh_from_db()
        assert app.is_enabled


def test_the_command_palette_leads_to_an_app(sign_in: SignIn, valkey_socket: object) -> None:
    make_app()
    page = sign_in("viewer")
    page.keyboard.press("Control+k")
    words = page.locator("#search-input-command")
    expect(words).to_be_focused()
    # One key asks, so one answer comes: a second one would take the link away from under the mouse.
    words.fill("shop.book")
    words.press("s")
    page.locator("#command-results").get_by_role("link", name="apps examples.shop.books").click()
    page.wait_for_url("**/admin/registry/app/*/change/")
