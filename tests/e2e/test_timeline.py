"""The timeline under a mouse and under keys."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from apps.core.clock import utc_now
from apps.runtime.models import Runtime, State
from tests.e2e.conftest import SignIn
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_part_is_zoomed_into_by_dragging_and_left_by_keys_and_a_bar_leads_to_its_run(sign_in: SignIn) -> None:
    now = utc_now()
    run = make_run(make_app(), State.SUCCEEDED, started_at=now - timedelta(hours=3), ended_at=now - timedelta(hours=2))
    Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(hours=3))
    page = sign_in("viewer")
    page.goto("/admin/timeline/?q=shop")
    bar = page.locator(f'.dc-tl-lane a[href*="{run.pk}"]')
    box = bar.bounding_box()
    assert box is not None

    # From before the bar to behind it, over the bar itself: that is no click on it.
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] - 20, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.move(box["x"] + box["width"] - 5, middle)
    page.mouse.up()
    page.wait_for_url("**from=**")
    assert query(page)["q"] == ["shop"]
    wider = bar.bounding_box()
    assert wider is not None
    assert wider["width"] > 2 * box["width"]

    page.get_by_role("group", name="Timeline").focus()
    zoomed = page.url
    page.keyboard.press("-")
    page.wait_for_url(lambda url: url != zoomed)
    # The focus stays, so that the next key finds it.
    expect(page.get_by_role("group", name="Timeline")).to_be_focused()
    page.keyboard.press("0")
    page.wait_for_url("**range=6h**")

    bar.click()
    page.wait_for_url(f"**/runtime/{run.pk}/change/")
