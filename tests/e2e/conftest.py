"""A real browser on a real server. What the browser complains about fails the test, whatever the test looks at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)
from pytest_django import live_server_helper

from tests.services.browser import find_chromium

# The driver of the browser runs an event loop in this thread; Django would refuse its database here.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# A machine that does other things too is slow, not wrong.
expect.set_options(timeout=15_000)


#: These take minutes, most of which the tour waits: what begins last must not be what takes longest.
FIRST = ("test_tour.py", "test_pages.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@dataclass(slots=True)
class Complaints:
    """What went wrong in the browser, and what a test expects to."""

    heard: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def expect(self, *words: str) -> None:
        """Complaints with one of these words are what the test is about."""
        self.expected = words

    def unexpected(self) -> list[str]:
        """The others."""
        return [text for text in self.heard if not any(word in text for word in self.expected)]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.unexpected() == []


def listen(context: BrowserContext, complaints: Complaints) -> None:
    """Whatever the browser complains about in this window is heard."""

    def answered(response: Response) -> None:
        if response.status >= 400:
            complaints.heard.append(f"{response.status} {response.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.heard.append(f"console: {message.text}")

    def failed(request: Request) -> None:
        # A request that a click on a link cuts off is no fault.
        if request.failure and "ERR_ABORTED" not in request.failure:
            complaints.heard.append(f"{request.failure} {request.url}")

    context.on("console", said)
    context.on("weberror", lambda error: complaints.heard.append(f"script: {error.error}"))
    context.on("response", answered)
    context.on("requestfailed", failed)


@pytest.fixture
def context(
    browser: Browser, live_server: live_server_helper.LiveServer, complaints: Complaints
) -> Iterator[BrowserContext]:
    """A browser window that nobody has used; addresses may begin with a slash."""

    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    listen(context, complaints)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def press(page: Page, name: str) -> None:
    """Press a button that leads to another page. Whoever presses it says what that page has to show."""
    page.get_by_role("button", name=name, exact=True).click(no_wait_after=True)


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(page: Page, live_server: live_server_helper.LiveServer) -> SignIn:
    """Opens the home page as somebody who has signed in. The way there has a test of its own."""
    # Not at the top: pytest loads this file before Django has its settings.
    from tests.integration.log_lines import session_of
    from tests.integration.people import make_person

    def sign_in(role: str = "superuser") -> Page:
        key = session_of(make_person(role))
        page.context.add_cookies([{"name": "sessionid", "value": key, "url": live_server.url}])
        page.goto("/admin/")
        return page

    return sign_in
