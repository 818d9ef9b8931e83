"""The page every table of collected rows gets by itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connections
from django.test.utils import CaptureQueriesContext

from apps.core.clock import utc_now
from apps.records.admin import TableAdmin
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book, make_app, make_run
from tests.integration.people import make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

BOOKS = "/admin/examples_shop_books/book/"
RUN, LATER = "a" * 32, "b" * 32


def shelve(number: int, **values: Any) -> Book:
    return Book.objects.create(**book(number, **{"runtime": RUN, **values}))


def titles(query: str = "") -> list[str]:
    return [row.title for row in signed_in("viewer").get(BOOKS + query).context["cl"].result_list]


def test_a_table_has_a_page_without_anybody_registering_it() -> None:
    assert isinstance(admin.site._registry[Book], TableAdmin)


def test_the_list_costs_the_same_for_one_and_for_many() -> None:
    for number in range(60):
        shelve(number)
    client = signed_in()
    client.get(BOOKS)
    with ExitStack() as stack:
        counts = [stack.enter_context(CaptureQueriesContext(connection)) for connection in connections.all()]
        assert "Book 59" in client.get(BOOKS).text
    assert sum(map(len, counts)) == 5  # session, user; count, page; which of its runs are kept


def test_current_rows_come_first_and_history_is_a_filter_away() -> None:
    shelve(1, title="Old", archived_at=utc_now(), archived_by=LATER)
    shelve(1, title="New", runtime=LATER)
    assert titles() == ["New"]
    assert titles("?rows=archived") == ["Old"]
    assert titles("?rows=all") == ["New", "Old"]


def test_a_run_leads_to_the_rows_it_wrote_or_archived() -> None:
    shelve(1, title="Old", archived_at=utc_now(), archived_by=LATER)
    shelve(1, title="New", runtime=LATER)
    shelve(2, title="Untouched")
    assert titles(f"?rows=all&run={LATER}") == ["New", "Old"]
    assert "touched by bbbbbbbb" in signed_in("viewer").get(f"{BOOKS}?rows=all&run={LATER}").text


def test_rows_are_found_by_their_words() -> None:
    shelve(1, title="The Lighthouse")
    shelve(2, author="Ada Lighthouse")
    shelve(3)
    assert len(titles("?q=lighthouse")) == 2
    assert titles("?q=0000000000003") == ["Book 3"]


def test_the_key_is_the_first_column_and_the_row_links_to_its_run() -> None:
    run = make_run(make_app())
    row = shelve(7, runtime=run.pk)
    client = signed_in("viewer")
    page = client.get(f"{BOOKS}{row.pk}/change/").text
    for url in (BOOKS, f"{BOOKS}{row.pk}/change/"):
        assert f"/admin/runtime/runtime/{run.pk}/change/" in client.get(url).text
    assert page.index("ISBN") < page.index("Title") < page.index("Versions of isbn")
    assert row.sha in page


def test_collected_markup_and_addresses_stay_text() -> None:
    row = shelve(1, title="<script>alert(1)</script>", author="javascript:alert(2)")
    client = signed_in("viewer")
    for url in (BOOKS, f"{BOOKS}{row.pk}/change/"):
        page = client.get(url).text
        assert "<script>alert(1)" not in page
        assert 'href="javascript' not in page


def test_nobody_writes_rows_by_hand() -> None:
    row = shelve(1)
    client = signed_in()
    assert client.get(f"{BOOKS}add/").status_code == 403
    assert client.post(f"{BOOKS}{row.pk}/change/", {"title": "Mine"}).status_code == 403
    assert client.post(f"{BOOKS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in client.get(BOOKS).text


def test_who_may_not_see_apps_sees_no_rows_unless_the_table_was_granted() -> None:
    shelve(1)
    client = signed_in("")
    assert client.get(BOOKS).status_code == 403
    person = make_person(name="reader")
    person.user_permissions.add(Permission.objects.get(codename="view_book"))
    client.force_login(person)
    assert client.get(BOOKS).status_code == 200
    assert client.get("/admin/examples_debian_python_docs/module/").status_code == 403
