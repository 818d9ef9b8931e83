"""Pages that keep themselves up to date, and say so when they cannot."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.runtime.models import Runtime, State
from tests.e2e.conftest import Complaints, SignIn
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def say(run: Runtime, first: int, last: int) -> None:
    Log.objects.bulk_create(
        Log(runtime=run, app=run.app, line_number=number, logged_at=utc_now(), message=f"line {number} said")
        for number in range(first, last + 1)
    )


def test_home_follows_what_happens(sign_in: SignIn) -> None:
    app = make_app()
    page = sign_in("viewer")
    expect(page.get_by_text("Nothing is running.")).to_be_visible()
    run = make_run(app, State.RUNNING, task_size=10, solved=3, started_at=utc_now())
    expect(page.get_by_text("30 % of 10")).to_be_visible()
    assert run.finish(State.FAILED, at=utc_now(), cause="The site is closed today.")
    expect(page.get_by_text("The site is closed today.")).to_be_visible()


def test_a_page_that_is_cut_off_says_since_when_and_recovers(sign_in: SignIn, complaints: Complaints) -> None:
    page = sign_in("viewer")
    banner = page.get_by_text("Not updated since")
    expect(banner).to_be_hidden()
    complaints.expect("ERR_FAILED", "ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    expect(banner).to_be_visible()
    page.context.set_offline(False)
    expect(banner).to_be_hidden(timeout=20_000)

    # A server that is away tells nobody when it is back.
    page.route("**/live/", lambda route: route.abort())
    expect(banner).to_be_visible()
    page.unroute("**/live/")
    expect(banner).to_be_hidden(timeout=20_000)


def test_a_page_whose_session_ended_says_so(sign_in: SignIn) -> None:
    page = sign_in("viewer")
    User.objects.update(is_active=False)
    expect(page.get_by_text("Signed out; not updated")).to_be_visible()


def asked_within_a_minute(page: Page) -> list[str]:
    """What the page asks the server for in the next minute, which passes at once."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    # Requests are told in their order: behind this one none is missing.
    page.evaluate("fetch('/static/console/live.js')")
    assert asked[-1].endswith("live.js")
    return [url for url in asked if "/live/" in url]


def test_a_run_that_has_ended_is_not_asked_for_again(page: Page, sign_in: SignIn) -> None:
    page.clock.install()
    run = make_run(make_app(), State.SUCCEEDED)
    sign_in("viewer")
    page.goto(f"/admin/runtime/runtime/{run.pk}/change/")
    assert asked_within_a_minute(page) == []


def test_a_hidden_page_asks_nothing(page: Page, sign_in: SignIn) -> None:
    page.clock.install()
    sign_in("viewer")
    with page.expect_response("**/live/"):
        page.clock.run_for(2_000)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    assert asked_within_a_minute(page) == []


def test_a_button_that_is_held_down_is_not_exchanged_under_the_mouse(sign_in: SignIn) -> None:
    run = make_run(make_app(is_enabled=True))
    page = sign_in("operator")
    page.goto(f"/admin/runtime/runtime/{run.pk}/change/")
    as_of = page.locator(".dc-asof")
    page.get_by_role("button", name="Stop").hover()
    page.mouse.down()
    first = as_of.inner_text()
    for _ in range(2):
        with page.expect_response("**/live/"):
            pass
    expect(as_of).to_have_text(first)
    page.mouse.up()
    expect(page.get_by_text("Stopped before it began.")).to_be_visible()


def test_the_log_follows_its_end_until_somebody_scrolls_up(sign_in: SignIn) -> None:
    run = make_run(make_app(), State.RUNNING)
    say(run, 1, 100)
    page = sign_in("viewer")
    page.goto(f"/admin/runtime/runtime/{run.pk}/change/")
    log = page.get_by_role("log")
    log.scroll_into_view_if_needed()
    expect(page.get_by_text("line 100 said")).to_be_in_viewport()
    say(run, 101, 120)
    expect(page.get_by_text("line 120 said")).to_be_in_viewport()
    log.evaluate("box => box.scrollTop = 40")
    say(run, 121, 140)
    expect(page.get_by_text("line 140 said")).to_be_attached()
    assert log.evaluate("box => box.scrollTop") == 40


def test_the_focus_stays_where_it_was(sign_in: SignIn) -> None:
    app = make_app(is_enabled=True)
    page = sign_in("operator")
    page.goto(f"/admin/registry/app/{app.pk}/change/")
    button = page.get_by_role("button", name="Disable")
    button.focus()
    before = page.locator(".dc-asof time").first.get_attribute("datetime")
    expect(page.locator(".dc-asof time").first).not_to_have_attribute("datetime", before or "")
    expect(button).to_be_focused()
