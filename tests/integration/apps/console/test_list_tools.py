"""What stands above lists: kept views, words with a colon, columns, density; and what empty lists say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import SavedView, User
from apps.accounts.saved_views import MOST_KEPT
from apps.console.empty_states import STATES
from apps.console.tables import models as tables
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

APPS, RUNS, VIEWS = "/admin/registry/app/", "/admin/runtime/runtime/", "/admin/views/"


def keep(role: str = "operator", **values: Any) -> Any:
    data = {"place": "registry.app", "name": "Mine", "query": "q=books&is_enabled__exact=1", **values}
    return signed_in(role).post(VIEWS, data, follow=True)


def change(view: SavedView, role: str = "operator", **values: Any) -> Any:
    return signed_in(role).post(f"/admin/views/{view.pk}/", values, follow=True)


def rows(address: str, query: str) -> set[str]:
    return {str(row) for row in signed_in("operator").get(address, {"q": query}).context["cl"].result_list}


def test_a_view_is_kept_opened_renamed_and_deleted() -> None:
    response = keep()
    assert messages_of(response) == ["Kept as Mine."]
    assert response.redirect_chain[-1][0] == f"{APPS}?is_enabled__exact=1&q=books"
    view = SavedView.objects.get()
    page = signed_in("operator").get(f"{APPS}?q=books&is_enabled__exact=1").text
    assert 'href="?is_enabled__exact=1&amp;q=books" aria-current="page"' in page
    assert "Save this view" not in page
    assert "Save this view" in signed_in("operator").get(f"{APPS}?q=other").text

    keep(query="q=other")  # the same name again: the view is what it is now
    assert [(one.pk, one.query) for one in SavedView.objects.all()] == [(view.pk, "q=other")]
    change(view, name="Other", do="change")
    assert SavedView.objects.get().name == "Other"
    assert messages_of(change(view, do="delete")) == ["Other is deleted."]
    assert not SavedView.objects.exists()


def test_views_are_ones_own_until_they_are_shared_and_only_the_owner_changes_them() -> None:
    keep()
    view = SavedView.objects.get()
    assert "Mine" not in signed_in("viewer").get(APPS).text
    assert change(view, "viewer", name="Theirs").status_code == 404

    keep(shared="on")
    assert "Mine" in signed_in("viewer").get(APPS).text
    change(view, "viewer", name="Theirs", default="on")
    assert SavedView.objects.get().name == "Mine"
    assert change(view, "viewer", do="delete").status_code == 403
    # Whether the list opens with it, each says for themselves.
    assert signed_in("viewer").get(APPS).status_code == 302
    assert signed_in("operator").get(APPS).status_code == 200


def test_a_list_opens_with_the_default_view_and_all_is_one_click_away() -> None:
    make_app(is_enabled=True)
    make_app("a.b.other")
    keep(default="on")
    client = signed_in("operator")
    assert client.get(APPS)["Location"] == f"{APPS}?is_enabled__exact=1&q=books"
    everything = client.get(f"{APPS}?view=all")
    assert everything.context["cl"].result_count == 2
    assert 'href="?view=all" aria-current="page"' in everything.text
    SavedView.objects.all().delete()
    assert client.get(APPS).status_code == 200


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"query": "p=2"}, "Search or filter first: this list shows everything."),
        ({"name": " "}, "This field cannot be blank."),
        ({"query": "scheduled=" + "x" * 3000}, "This filter is too long to be kept."),
        ({"name": "x" * 61}, "Ensure this value has at most 60 characters (it has 61)."),
    ],
)
def test_what_cannot_be_kept_is_told(values: dict[str, str], said: str) -> None:
    assert messages_of(keep(**values)) == [said]
    assert not SavedView.objects.exists()


def test_nobody_keeps_views_without_end_or_of_lists_they_may_not_see() -> None:
    owner = make_person("operator")
    SavedView.objects.bulk_create(
        SavedView(owner=owner, place="x", name=str(number), query="q=x") for number in range(MOST_KEPT)
    )
    assert "delete some first" in messages_of(keep())[0]
    assert keep("viewer", place="accounts.user").status_code == 403
    assert keep(place="no.list").status_code == 404


def test_runs_are_found_by_words_with_a_colon() -> None:
    ana = make_person("viewer", name="ana")
    books, other = make_app(owner=ana), make_app("prices.acme.rates")
    failed, crashed = make_run(books, State.FAILED, cause="No such host."), make_run(other, State.CRASHED)
    old = make_run(books, State.FAILED)
    Runtime.objects.filter(pk=old.pk).update(queued_at=utc_now() - timedelta(days=9))
    for query, expected in {
        "state:failed": {failed, old},
        "state:failed,crashed since:2d": {failed, crashed},
        "state:wrong -app:books": {crashed},
        "owner:ana until:8d": {old},
        "owner:none": {crashed},
        "owner:me": set(),
        'cause:"such host"': {failed},
        f"app:books {failed.pk[:8]}": {failed},
        f"since:{utc_now() - timedelta(days=3):%Y-%m-%d} app:books": {failed},
    }.items():
        assert rows(RUNS, query) == {str(run) for run in expected}, query


def test_apps_are_found_by_words_with_a_colon() -> None:
    books = make_app(is_enabled=True, tags=["prices", "daily"])
    rates = make_app("prices.acme.rates", schedule="INTERVAL", interval_s=60)
    App.objects.filter(pk=rates.pk).update(failures_in_a_row=2, fatal="FAILED")
    make_run(books, State.FAILED)
    for query, expected in {
        "is:enabled": {books},
        "is:failing": {rates},
        "is:stopped,enabled": {books, rates},
        "tag:daily": {books},
        "tag:dail": set(),
        "last:failed": {books},
        "group:prices": {rates},
        "kind:managed app:acme": {rates},
        "-is:enabled rates": {rates},
    }.items():
        assert rows(APPS, query) == {str(app) for app in expected}, query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("stat:failed", "There is no stat: here. Did you mean state:?"),
        ("colour:red", "There is no colour: here. Use state:"),
        ("state:broken", "broken is none of: queued"),
        ("since:yesterday", "yesterday is no time; write 90min, 6h, 2d, 1w or 2026-11-20."),
        ("since:2026-13-45", "2026-13-45 is no time"),
        ("since:999999w", "999999w is no time"),
        ("app:", "app: needs a value right behind the colon, such as app:books."),
    ],
)
def test_what_means_nothing_is_named_and_finds_nothing(query: str, said: str) -> None:
    make_run(make_app(), State.FAILED)
    page = signed_in("viewer").get(RUNS, {"q": query})
    assert said in messages_of(page)[0]
    assert page.context["cl"].result_count == 0


def test_quotes_and_addresses_are_words() -> None:
    run = make_run(make_app(), State.FAILED, cause='Refused by https://site.example: "state:odd"')
    for query in ("https://site.example", '"state:odd"'):
        assert signed_in("viewer").get(RUNS, {"q": query}).context["cl"].result_count == 1, (query, run)


def test_columns_and_density_are_chosen_and_kept_with_the_person() -> None:
    make_app(description="x")
    client = signed_in("operator")
    assert "column-owner" in client.get(APPS).text
    known = ["enabled", "last_state", "last_run", "schedule_text", "next_run", "owner"]
    shows = {"known": known, "column": known[:2], "density": "compact", "query": "q=books"}
    response = client.post("/admin/columns/", {"place": "registry.app", **shows})
    assert response["Location"] == f"{APPS}?q=books"
    page = signed_in("operator").get(APPS).text
    assert "column-owner" not in page
    assert "column-enabled" in page
    assert 'data-density="compact"' in page
    assert "column-owner" in signed_in("viewer").get(APPS).text


def test_letters_alone_can_be_switched_off_for_a_person() -> None:
    client = signed_in("viewer")
    assert 'data-single-keys="on"' in client.get("/admin/").text
    assert (
        client.post("/admin/preferences/", {"single_keys": "off", "nonsense": "x", "density": "tiny"}).status_code
        == 204
    )
    assert 'data-single-keys="off"' in client.get("/admin/").text
    assert 'data-single-keys="on"' in signed_in("operator").get("/admin/").text
    assert User.objects.get(username="viewer").preferences == {"single_keys": False}


def test_every_list_says_what_to_do_when_it_is_empty_and_when_nothing_matches() -> None:
    rooms = {model for _room, model in tables()}
    seen = {model._meta.label_lower for model in admin.site._registry if model not in rooms}
    own = {label for label in seen if label.partition(".")[0] not in ("django_celery_beat", "oauth2_provider")}
    assert own - {"logs.journalfile", "logs.logrejected", "runtime.mark"} == set(STATES)

    client = signed_in()
    assert "Nothing has run yet. Start an app, or give it a schedule." in client.get(RUNS).text
    assert "Go to the apps" in client.get(RUNS).text
    assert "No run has stored a row here yet." in client.get("/admin/examples_shop_books/book/").text
    nothing = client.get(f"{RUNS}?q=zzzz").text
    assert "Nothing matches" in nothing
    assert 'href="?view=all"' in nothing
    assert client.get(reverse("admin:runtime_bulkjob_changelist")).status_code == 200


def test_kept_views_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(20):
        keep(name=f"View {number}", shared="on")
    client = signed_in("superuser")
    client.get(APPS)
    with django_assert_num_queries(7):  # session, user, views, count, page, groups of the filter, tabs
        assert "View 19" in client.get(APPS).text
