"""Pages that are told what changes, by the real web process; and what they do when it is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from apps.core.clock import utc_now
from apps.runtime.models import State
from tests.e2e.conftest import Complaints
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import session_of
from tests.integration.people import make_person
from tests.services.web import WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

RUNS = "/admin/runtime/runtime/"


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[WebProcess]:
    web = WebProcess()
    web.start()
    yield web
    web.kill()


@pytest.fixture
def page(browser: Browser, web: WebProcess, complaints: Complaints) -> Iterator[Page]:
    """A window of somebody who may look and press."""
    complaints.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.heard.append(f"console: {message.text}")

    context = browser.new_context(base_url=web.url, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session_of(make_person("operator")), "url": web.url}])
    context.on("console", said)
    context.on("weberror", lambda error: complaints.heard.append(f"script: {error.error}"))
    yield context.new_page()
    context.close()


def test_home_and_the_runs_follow_without_a_reload_and_say_when_they_cannot(page: Page, web: WebProcess) -> None:
    app = make_app(is_enabled=True)
    make_run(app, State.SUCCEEDED)
    runs = page.context.new_page()
    page.goto("/admin/")
    runs.goto(RUNS)
    for each in (page, runs):
        each.evaluate("window.isTheSame = true")
    run = make_run(app, State.RUNNING, task_size=10, solved=3, started_at=utc_now())
    expect(page.get_by_text("30 % of 10")).to_be_visible()
    expect(runs.get_by_role("row", name="running")).to_be_visible()

    # Whoever has chosen rows finds them where they were; what is new comes when they are done.
    runs.locator("input.action-select").last.check()
    assert run.finish(State.FAILED, at=utc_now(), cause="The site is closed today.")
    expect(page.get_by_text("The site is closed today.").first).to_be_visible()
    expect(runs.get_by_role("row", name="running")).to_be_visible()
    runs.locator("input.action-select").last.uncheck()
    expect(runs.get_by_text("The site is closed today.")).to_be_visible()

    web.kill()
    banners = [each.get_by_text("Not updated since") for each in (page, runs)]
    for banner in banners:
        expect(banner).to_be_visible(timeout=40_000)
    make_run(app, State.RUNNING, task_size=4, solved=2, started_at=utc_now())
    web.start()
    expect(page.get_by_text("50 % of 4")).to_be_visible(timeout=40_000)
    expect(runs.get_by_role("row", name="running")).to_be_visible(timeout=40_000)
    for each, banner in zip((page, runs), banners, strict=True):
        expect(banner).to_be_hidden(timeout=20_000)
        assert each.evaluate("window.isTheSame") is True
