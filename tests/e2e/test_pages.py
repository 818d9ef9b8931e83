"""Every page, opened once: in both themes, wide and on a phone, nothing complains or sticks out, and all can use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.accounts.services import ensure_administrator, issue_login_link
from apps.core.clock import utc_now
from tests.e2e.conftest import Complaints, SignIn, press
from tests.e2e.house import ABSENT, furnish, pages
from tests.e2e.looking import look
from tests.integration.factories import make_app, make_run

#: So many browsers go through the pages side by side.
SHARES = 3

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.mark.parametrize("share", range(SHARES))
def test_everybody_can_use_every_page(sign_in: SignIn, complaints: Complaints, share: int) -> None:
    page = sign_in()
    furnish()
    complaints.expect(*ABSENT, "WebSocket", "404 (Not Found)")  # this server has none; pages fall back to asking
    addresses = list(pages(User.objects.get(username="superuser")))
    wrong = [fault for address in addresses[share::SHARES] for fault in opened(page, address)]

    assert not wrong, "\n".join(wrong)


def test_everybody_can_use_the_menu_the_palette_and_the_pages_of_strangers(
    sign_in: SignIn, complaints: Complaints
) -> None:
    page = sign_in()
    furnish()
    complaints.expect(*ABSENT, "WebSocket", "404 (Not Found)")
    wrong = [f"with the menu: {fault}" for fault in look(page, without="")]
    for key, dialog in (("Control+k", "#dc-palette"), ("?", "#dc-keys")):
        page.keyboard.press(key)
        expect(page.locator(dialog)).to_be_visible()
        wrong += [f"{dialog} {fault}" for fault in look(page)]
        page.keyboard.press("Escape")
    page.context.clear_cookies()
    wrong += [fault for address in strangers_pages() for fault in opened(page, address)]

    assert not wrong, "\n".join(wrong)


def opened(page: Page, address: str) -> Iterator[str]:
    """What is wrong with the page at this address."""
    page.goto(address)
    for fault in look(page):
        yield f"{address} {fault}"


def strangers_pages() -> Iterator[str]:
    """Pages for people who have not signed in."""
    yield from ("/admin/login/", "/demo/", "/demo/trade/login/", "/no/such/page/")
    yield issue_login_link(user=ensure_administrator(), now=utc_now())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_has_the_theme_of_the_system_from_the_start(sign_in: SignIn, theme: str) -> None:
    page = sign_in("viewer")
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.reload()
    expect(page.locator("#main")).to_be_visible()
    assert page.locator("html").evaluate("html => html.classList.contains('dark')") is (theme == "dark")


def test_a_run_is_stopped_on_a_phone(sign_in: SignIn) -> None:
    run = make_run(make_app(is_enabled=True))
    page = sign_in("operator")
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto(f"/admin/runtime/runtime/{run.pk}/change/")
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_in_viewport()
    press(page, "Stop")
    expect(page.get_by_text("Stopped before it began.")).to_be_visible()


def test_a_time_zone_is_found_by_typing(sign_in: SignIn) -> None:
    app = make_app()
    page = sign_in("operator")
    page.goto(f"/admin/registry/app/{app.pk}/change/")
    page.locator(".field-time_zone .select2-selection").click()
    page.locator(".select2-search__field").fill("kathm")
    page.locator(".select2-results__option", has_text="Asia/Kathmandu").click()
    press(page, "Save")
    page.wait_for_url("**/admin/registry/app/")
    app.refresh_from_db()
    assert app.time_zone == "Asia/Kathmandu"
