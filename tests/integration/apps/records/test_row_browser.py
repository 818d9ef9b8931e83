"""Looking at rows: as of a moment, by what their fields say, and each with its versions."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.test.utils import CaptureQueriesContext

from apps.core.clock import utc_now
from apps.records.admin import VERSIONS
from apps.records.row_list import TablePaginator
from apps.records.selectors import eras
from apps.runtime.models import Command
from collectors.sources.examples.debian.python_docs.models import Module
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book, make_app, make_run
from tests.integration.people import make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

BOOKS = "/admin/examples_shop_books/book/"
WRITTEN = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
CHANGED = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
GONE = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def shelve(number: int, since: datetime, until: datetime | None = None, **values: Any) -> Book:
    row = Book.objects.create(**book(number, **values), archived_at=until)
    Book.objects.filter(pk=row.pk).update(created_at=since)
    row.refresh_from_db()
    return row


def titles(query: str = "") -> list[str]:
    return [row.title for row in signed_in("viewer").get(BOOKS + query).context["cl"].result_list]


def as_of(moment: datetime, rest: str = "") -> list[str]:
    return titles(f"?as_of={moment:%Y-%m-%dT%H:%M:%S.%f}Z{rest}")


@pytest.fixture
def history() -> None:
    """One thing that changed once and then disappeared, another one that was always there."""
    shelve(1, WRITTEN, CHANGED, title="Old")
    shelve(1, CHANGED, GONE, title="New")
    shelve(2, WRITTEN, title="Always")


# -- As of a moment ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
def test_a_row_is_there_from_the_moment_it_was_written_until_before_it_was_archived() -> None:
    assert as_of(WRITTEN - TICK) == []
    assert as_of(WRITTEN) == ["Always", "Old"]
    assert as_of(CHANGED - TICK) == ["Always", "Old"]
    assert as_of(CHANGED) == ["Always", "New"]
    assert as_of(GONE - TICK) == ["Always", "New"]
    assert as_of(GONE) == ["Always"]


@pytest.mark.usefixtures("history")
def test_history_too_is_shown_as_it_stood() -> None:
    assert as_of(CHANGED - TICK, "&rows=archived") == []
    assert as_of(CHANGED, "&rows=archived") == ["Old"]
    assert as_of(CHANGED, "&rows=all") == ["Always", "New", "Old"]
    assert as_of(GONE, "&rows=archived") == ["New", "Old"]


@pytest.mark.usefixtures("history")
def test_the_moment_holds_for_search_and_is_said_on_the_page() -> None:
    page = signed_in("viewer").get(f"{BOOKS}?as_of=2026-03-06&at=10:00&q=new")
    assert [row.title for row in page.context["cl"].result_list] == ["New"]
    assert "The table as it stood on" in page.text
    assert "2026-03-06 10:00:00 UTC" in page.text
    # Leaving the moment keeps the search, and the other way round.
    assert 'href="?q=new"' in page.text
    assert '<input type="hidden" name="q" value="new">' in page.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("as_of=yesterday", "&quot;yesterday&quot; is not a date; write it as 2026-10-31"),
        ("as_of=2026-03-06&at=noon", "&quot;noon&quot; is not a time"),
        ("at=10:00", "is a time without a date: say which day you mean"),
        ("as_of=2999-01-01", "2999-01-01 lies in the future: what is known ends at"),
        ("created_at__from=soon", "Created at: &quot;soon&quot; is not a date"),
        ("as_of=%00", "is not a date"),
    ],
)
@pytest.mark.usefixtures("history")
def test_a_wrong_moment_shows_a_sentence_and_no_rows(query: str, words: str) -> None:
    page = signed_in("viewer").get(f"{BOOKS}?{query}")
    assert page.status_code == 200
    assert words in page.text
    assert list(page.context["cl"].result_list) == []


# -- Filters -----------------------------------------------------------------------------------------------------------


def test_a_real_page_has_its_filters_and_they_keep_each_other() -> None:
    Module.objects.create(name="asyncore", page="a", is_deprecated=True)
    Module.objects.create(name="asyncio", page="b")
    client = signed_in("viewer")
    page = client.get("/admin/examples_debian_python_docs/module/?is_deprecated__exact=1&as_of=2999-01-01T00:00Z")
    assert "lies in the future" in page.text
    page = client.get("/admin/examples_debian_python_docs/module/?is_deprecated__exact=1&rows=all")
    assert [row.name for row in page.context["cl"].result_list] == ["asyncore"]
    assert '<input type="hidden" name="is_deprecated__exact" value="1">' in page.text


# -- Counting ----------------------------------------------------------------------------------------------------------


def test_a_large_table_is_not_counted_but_estimated_where_the_database_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TablePaginator, "BOUND", 60)
    for number in range(90):
        shelve(number, WRITTEN)
    connection = connections[Book.objects.all().db]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    page = signed_in("viewer").get(BOOKS)
    assert "and more" in page.text
    assert ("about 90 in all" in page.text) is (connection.vendor == "postgresql")


# -- The page of a row -------------------------------------------------------------------------------------------------


def page_of(row: Book, role: str = "viewer", query: str = "") -> str:
    return str(signed_in(role).get(f"{BOOKS}{row.pk}/change/{query}").text)


def test_the_page_of_a_row_has_every_version_with_what_it_changed() -> None:
    shelve(1, WRITTEN, CHANGED, title="Old", price="9.90")
    new = shelve(1, CHANGED, title="New", price="10.50")
    shelve(2, WRITTEN, title="Another thing")
    text = page_of(new)
    assert text.index("2026-03-05 12:00:00 to now UTC") < text.index("2026-03-01 12:00:00 to 2026-03-05 12:00:00 UTC")
    assert "<del>Old</del>" in text
    assert "<ins>New</ins>" in text
    assert "<del>9.90</del>" in text
    assert "The first version that is known." in text
    assert "Another thing" not in text
    assert "Not seen" not in text


def test_a_time_in_which_a_thing_was_not_seen_is_told() -> None:
    old = shelve(1, WRITTEN, CHANGED)
    shelve(1, GONE)
    assert "Not seen between 2026-03-05 12:00:00 and 2026-03-09 12:00:00 UTC" in page_of(old)


def test_a_thing_that_is_gone_says_since_when() -> None:
    assert "Not seen since" in page_of(shelve(1, WRITTEN, CHANGED))


def test_versions_name_their_runs_as_far_as_one_may_know() -> None:
    app = make_app()
    writer, archiver = make_run(app), make_run(app)
    person: Any = make_person("operator")
    Command.objects.create(app=app, runtime=writer, verb="START", source="ADMIN", issuer=person, created_at=utc_now())
    row = shelve(1, WRITTEN, CHANGED, runtime=writer.pk, archived_by=archiver.pk)
    shelve(1, CHANGED, runtime="f" * 32)
    text = page_of(row)
    assert f"/admin/runtime/runtime/{writer.pk}/change/" in text
    assert "(admin, operator)" in text
    assert f"/admin/runtime/runtime/{archiver.pk}/change/" in text
    assert "run ffffffff (not kept any more)" in text
    assert f"/admin/runtime/runtime/{'f' * 32}/change/" not in text


def test_who_may_not_see_runs_gets_their_names_alone() -> None:
    run = make_run(make_app())
    row = shelve(1, WRITTEN, runtime=run.pk)
    person = make_person(name="reader")
    person.user_permissions.add(Permission.objects.get(codename="view_book"))
    client = signed_in("")
    client.force_login(person)
    for url in (BOOKS, f"{BOOKS}{row.pk}/change/"):
        text = client.get(url).text
        assert run.pk[:8] in text
        assert f"/admin/runtime/runtime/{run.pk}" not in text
        assert "not kept any more" not in text


def test_a_thing_with_many_versions_shows_them_page_by_page() -> None:
    begin = [WRITTEN + timedelta(days=day) for day in range(VERSIONS + 11)]
    for since, until in pairwise(begin):
        shelve(1, since, until, title=f"{since:%j}.")
    current = shelve(1, begin[-1], title="Newest")
    first: Any = eras(current, most=VERSIONS)
    assert len(first.shown) == VERSIONS
    assert f'href="?versions_behind={first.older}"' in page_of(current)
    second: Any = eras(current, most=VERSIONS, behind=first.older)
    assert len(second.shown) == 11
    assert second.older is None
    shown = [era.version.since for era in (*first.shown, *second.shown)]
    assert shown == begin[::-1]
    assert [era.is_first for era in second.shown] == [False] * 10 + [True]
    assert first.shown[-1].version.changes["title"] == (
        second.shown[0].version.row.title,
        first.shown[-1].version.row.title,
    )
    assert "Older versions of" in page_of(current, query=f"?versions_behind={first.older}")
    assert "There are no older versions" in page_of(current, query="?versions_behind=999999")
    assert "Newest" in page_of(current, query="?versions_behind=x")


def test_the_page_of_a_row_costs_the_same_for_one_and_for_many_versions() -> None:
    run = make_run(make_app())
    for day in range(20):
        since = WRITTEN + timedelta(days=day)
        shelve(1, since, since + timedelta(days=1), title=str(day), runtime=run.pk, archived_by=run.pk)
    row = shelve(1, GONE, runtime=run.pk)
    client = signed_in()
    client.get(f"{BOOKS}{row.pk}/change/")
    with ExitStack() as stack:
        counts = [stack.enter_context(CaptureQueriesContext(connection)) for connection in connections.all()]
        client.get(f"{BOOKS}{row.pk}/change/")
    # Session, user; the row; its current version and its history; the runs, and who started them.
    assert sum(map(len, counts)) == 7


def test_a_link_leads_to_the_table_as_it_was_when_the_version_came() -> None:
    row = shelve(1, WRITTEN, title="Old")
    client = signed_in("viewer")
    link = f"?as_of={WRITTEN:%Y-%m-%dT%H%%3A%M%%3A%S.%f%%2B00%%3A00}"
    assert f'href="{BOOKS}{link}"' in client.get(f"{BOOKS}{row.pk}/change/").text
    assert [each.title for each in client.get(BOOKS + link).context["cl"].result_list] == ["Old"]
