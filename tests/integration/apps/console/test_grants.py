"""What somebody sees and may do who was granted one group of several."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from apps.accounts.models import User
from apps.console.palette.finding import offered
from apps.databases.models import AppDbObject
from apps.logs.models import Log
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import BOOKS, make_app, make_run
from tests.integration.people import grant, make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

FOREIGN = "elsewhere.secret.thing"


@pytest.fixture
def own() -> App:
    return make_app(BOOKS, is_enabled=True)


@pytest.fixture
def foreign() -> App:
    return make_app(FOREIGN, is_enabled=True)


@pytest.fixture
def person(own: App) -> User:
    person = make_person(name="granted")
    grant(person, "operator", own, whole="group")
    return person


@pytest.fixture
def browser(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


PAGES = (
    "",
    "live/",
    "tables/",
    "registry/app/",
    "registry/appgroup/",
    "registry/appparent/",
    "runtime/runtime/",
    "runtime/command/",
    "runtime/appfunction/",
    "logs/log/",
    "logs/log/?q=secretly",
    "databases/appdbobject/",
    "credentials/credential/",
)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_what_was_not_granted(browser: Client, own: App, foreign: App, page: str) -> None:
    for app in (own, foreign):
        run = make_run(app, State.FAILED, cause=f"secretly {app.code}")
        make_run(app, State.RUNNING)
        Log.objects.create(
            app=app, runtime=run, line_number=1, level=40, message=f"secretly {app.code}", logged_at=run.queued_at
        )
        Command.objects.create(app=app, verb=Command.Verb.STOP, source="ADMIN", created_at=run.queued_at, sequence=1)
        AppDbObject.objects.create(
            app=app, connection="default", name=f"t_{app.name}", kind="table", last_run=run.pk, select_at=run.queued_at
        )

    response = browser.get(f"/admin/{page}")

    assert response.status_code == 200
    text = response.content.decode()
    assert "elsewhere" not in text
    if page not in ("tables/", "credentials/credential/", "runtime/appfunction/"):
        assert "books" in text.lower()


def test_pages_about_everything_stay_closed(browser: Client) -> None:
    for page in ("logs/errorgroup/", "logs/swepttable/", "runtime/node/", "accounts/user/", "notifications/channel/"):
        assert browser.get(f"/admin/{page}").status_code == 403


def test_a_foreign_app_is_as_if_it_were_not_there(browser: Client, foreign: App) -> None:
    run = make_run(foreign, State.RUNNING)
    app = f"/admin/registry/app/{foreign.pk}"

    for address in (f"{app}/live/", f"{app}/start/", f"/admin/runtime/runtime/{run.pk}/change/"):
        assert browser.get(address).status_code == 404, address
    for tail in ("", "lines/", "line/?n=1", "counts/", "download/", "matches/?q=x", "locate/"):
        assert browser.get(f"/admin/runtime/runtime/{run.pk}/log/{tail}").status_code == 404, tail
    assert browser.get(f"/admin/runtime/functionlog/tree/{run.pk}/").status_code == 404
    assert browser.get(f"{app}/change/").status_code == 302
    assert browser.post(f"{app}/command/", {"verb": "START"}).status_code == 404
    assert browser.post(f"/admin/runtime/runtime/{run.pk}/stop/").status_code == 404
    assert not Command.objects.exists()


def test_the_granted_role_says_what_may_be_done(browser: Client, own: App, person: User) -> None:
    assert messages_of(browser.post(f"/admin/registry/app/{own.pk}/command/", {"verb": "DISABLE"}, follow=True)) == [
        f"{BOOKS} was disabled."
    ]
    person.grants.update(role="viewer")

    assert browser.get(f"/admin/registry/app/{own.pk}/change/").status_code == 200
    assert browser.post(f"/admin/registry/app/{own.pk}/command/", {"verb": "ENABLE"}).status_code == 403
    assert browser.get(f"/admin/registry/app/{own.pk}/start/").status_code == 403
    assert browser.post(f"/admin/registry/app/{own.pk}/change/", {"cron": "@daily"}).status_code == 403


def test_an_action_on_many_leaves_out_what_one_may_only_look_at(own: App, foreign: App) -> None:
    person = make_person("viewer")
    grant(person, "operator", own)
    chosen = {"action": "disable_apps", "_selected_action": [own.pk, foreign.pk]}

    client = signed_in("viewer")
    preview = client.post("/admin/registry/app/", chosen, follow=True)

    assert "not yours to act on" in preview.text
    client.post(preview.redirect_chain[-1][0].replace("/change/", "/confirm/"))
    assert {app.code: app.is_enabled for app in App.objects.all()} == {BOOKS: False, FOREIGN: True}


def test_runs_are_stopped_where_one_may(own: App, foreign: App) -> None:
    person = make_person("viewer")
    grant(person, "operator", own)
    runs = [make_run(app, State.RUNNING) for app in (own, foreign)]
    chosen = {"action": "stop_runs", "_selected_action": [run.pk for run in runs]}

    client = signed_in("viewer")
    preview = client.post("/admin/runtime/runtime/", chosen, follow=True)

    assert "not yours to act on" in preview.text
    client.post(preview.redirect_chain[-1][0].replace("/change/", "/confirm/"))
    assert [run.state for run in Runtime.objects.order_by("app__code")] != [State.STOPPING, State.STOPPING]
    assert list(Command.objects.values_list("app__code", flat=True)) == [BOOKS]


def test_tables_open_with_the_app_that_fills_them(browser: Client, person: User, foreign: App) -> None:
    page = "/admin/examples_shop_books/book/"
    assert browser.get(page).status_code == 200
    assert "Books" in browser.get("/admin/tables/").content.decode()

    person.grants.all().delete()
    grant(person, "viewer", foreign)
    assert browser.get(page).status_code == 403


def test_a_page_of_a_person_with_grants_takes_few_queries(
    browser: Client, own: App, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_run(make_app(f"examples.shop.app{number}"), State.SUCCEEDED)

    for page in ("registry/app/", "runtime/runtime/", ""):
        with django_assert_max_num_queries(25):
            browser.get(f"/admin/{page}")


def test_the_palette_finds_what_one_sees(person: User, own: App, foreign: App) -> None:
    hidden, shown = make_run(foreign), make_run(own)
    request = RequestFactory().get("/")
    request.user = person

    assert [found.title for found in offered(request, "ex") if found.icon == "apps"] == [BOOKS]
    assert offered(request, hidden.pk[:8]) == []
    assert [found.title for found in offered(request, shown.pk[:8])] == [f"Run {shown.pk[:8]}"]
