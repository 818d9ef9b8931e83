"""Collected rows for programs."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.sources.examples.shop.books.models import Book
from tests.integration.apps.records.tables import store
from tests.integration.factories import book, books, make_app
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ROWS = "/api/v1/tables/examples.shop.books.book/rows"


def rows(**query: Any) -> list[dict[str, Any]]:
    response = signed_in("viewer").get(ROWS, query)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["items"]
    return found


def test_tables_say_what_they_hold() -> None:
    tables = signed_in("viewer").get("/api/v1/tables").json()["items"]

    table = next(table for table in tables if table["name"] == "examples.shop.books.book")
    assert (table["app"], table["natural_key"]) == ("examples.shop.books", ["isbn"])
    assert "price" in table["fields"]


def test_rows_are_read_as_they_are_as_they_were_and_by_their_key() -> None:
    store("a" * 32).merge(Book, books(range(3)))
    before = Book.objects.order_by("-created_at")[0].created_at
    store("b" * 32).merge(Book, [*books(range(2)), book(2, price="8.80")])

    assert len(rows()) == 3
    assert [row["values"]["price"] for row in rows(show="archived")] == ["9.90"]
    assert len(rows(show="all")) == 4
    assert {row["values"]["price"] for row in rows(as_of=before.isoformat())} == {"9.90"}
    assert [row["values"]["isbn"] for row in rows(key="isbn=0000000000001")] == ["0000000000001"]
    assert [row["run"] for row in rows(run="b" * 32)] == ["b" * 32]
    assert len(signed_in("viewer").get(ROWS, {"limit": 2}).json()["items"]) == 2


def test_a_row_has_its_versions_with_what_changed() -> None:
    store("a" * 32).merge(Book, books(range(1)))
    store("b" * 32).merge(Book, [book(0, price="8.80", stock=1)])
    current = rows()[0]

    versions = signed_in("viewer").get(f"{ROWS}/{current['id']}/versions").json()["items"]

    assert [version["run"] for version in versions] == ["a" * 32, "b" * 32]
    assert versions[0]["changes"] == {}
    assert versions[0]["archived_by"] == "b" * 32
    assert versions[1]["changes"] == {"price": ["9.90", "8.80"], "stock": [3, 1]}


@pytest.mark.parametrize(
    "query",
    [
        {"key": "title=Book"},
        {"key": "isbn"},
        {"as_of": "2026-01-01"},
        {"as_of": "2026-01-01T00:00:00"},
        {"show": "some"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    assert signed_in("viewer").get(ROWS, query).status_code == 422


def test_who_was_granted_another_app_sees_no_table_of_this_one() -> None:
    grant(make_person(), "viewer", make_app("examples.debian.python_docs"))
    client = signed_in("nobody")

    assert {table["app"] for table in client.get("/api/v1/tables").json()["items"]} == {"examples.debian.python_docs"}
    assert client.get(ROWS).status_code == 404
    assert client.get(f"{ROWS}/1/versions").status_code == 404


def test_there_is_no_such_table_or_row() -> None:
    client = signed_in("viewer")

    assert client.get("/api/v1/tables/accounts.user/rows").status_code == 404
    assert client.get(f"{ROWS}/17/versions").status_code == 404
