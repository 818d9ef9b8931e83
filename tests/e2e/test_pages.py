"""Every page in both themes, on a wide screen and on a phone: nothing complains, nothing sticks out."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.notifications.models import Channel
from apps.notifications.services import Kind, notify
from apps.runtime.models import Command, State
from apps.runtime.services import issue_command
from collectors.sources.examples.shop.books.models import Book
from tests.e2e.conftest import SignIn, press
from tests.integration.factories import book, make_app, make_node, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

SIZES = {"wide": (1440, 900), "phone": (375, 812)}


@pytest.fixture
def addresses() -> list[str]:
    """A page of each kind, with something on it."""
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60, next_run_at=utc_now())
    failed = make_run(app, State.FAILED, cause="https://a.very.long.example/" + "x" * 200, started_at=utc_now())
    live = make_run(app, State.RUNNING, task_size=3, solved=1, started_at=utc_now(), args={"key": "value" * 50})
    line = Log.objects.create(runtime=live, app=app, line_number=1, logged_at=utc_now(), message="word" * 100)
    command: Any = issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN, runtime=live)
    blocked = make_app(
        "a.b.blocked",
        schedule="CRON",
        cron="30 2 * * *",
        time_zone="Europe/Berlin",
        fatal="BLOCKED",
        fatal_reason="The table is missing: " + "x" * 200,
        fatal_at=utc_now(),
    )
    node = make_node(broker_error="amqp://broker.example.com refused the connection " + "x" * 200)
    make_run(make_app("a.b.owned"), State.STOPPING, owner=node, stop_stage="grace", started_at=utc_now())
    channel = Channel.objects.create(name="Operators", service="EMAIL", last_error="x" * 300, last_failed_at=utc_now())
    notify(kind=Kind.FAILED, subject="a.b.c failed", body="No such host.", now=utc_now())
    row = Book.objects.create(**book(1, title="A title without an end " * 8, runtime=live.pk))
    return [
        "/admin/",
        "/admin/tables/",
        "/admin/runtime/runtime/",
        f"/admin/runtime/runtime/{failed.pk}/change/",
        f"/admin/runtime/runtime/{live.pk}/change/",
        f"/admin/runtime/command/{command.pk}/change/",
        "/admin/registry/app/",
        f"/admin/registry/app/{app.pk}/change/",
        f"/admin/registry/app/{app.pk}/start/",
        f"/admin/registry/app/{blocked.pk}/change/",
        "/admin/runtime/command/",
        "/admin/runtime/node/",
        f"/admin/runtime/node/{node.pk}/change/",
        "/admin/notifications/channel/",
        f"/admin/notifications/channel/{channel.pk}/change/",
        "/admin/notifications/delivery/",
        "/admin/registry/appparent/",
        "/admin/logs/log/",
        f"/admin/logs/log/{line.pk}/change/",
        "/admin/examples_shop_books/book/",
        f"/admin/examples_shop_books/book/{row.pk}/change/",
        "/admin/accounts/user/",
        "/admin/accounts/user/add/",
        "/admin/django_celery_beat/periodictask/add/",
        "/admin/auth/group/",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_nothing_complains(sign_in: SignIn, addresses: list[str], size: str, theme: Any) -> None:
    page = sign_in()
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme)
    for address in addresses:
        page.goto(address)
        expect(page.locator("#main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        background = page.locator("#main").evaluate("main => getComputedStyle(main).backgroundColor")
        is_dark = page.locator("html").evaluate("html => html.classList.contains('dark')")
        assert is_dark is (theme == "dark"), (address, background)


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
