"""Filters of a list, made from fields of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory

from apps.core.clock import utc_now
from apps.records.admin import TableAdmin
from apps.records.row_list import RowChangeList
from apps.records.selectors import eras
from tests.integration.apps.records.tables import City, city, made
from tests.integration.people import make_person

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

SEEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _cities() -> Iterator[None]:
    with made(City):
        City.objects.create(**city("Zagreb", is_capital=True, founded=date(1094, 1, 1)))
        City.objects.create(**city("Split", founded=date(1950, 6, 30)))
        City.objects.create(**city("Linz", country="at", seen_at=SEEN))
        yield


@pytest.fixture
def person() -> Any:
    return make_person("superuser")


def listed(person: Any, query: str) -> RowChangeList:
    request = RequestFactory().get(f"/?{query}")
    request.user = person
    shown = TableAdmin(City, admin.site).get_changelist_instance(request)
    assert isinstance(shown, RowChangeList)
    return shown


def test_filters_come_from_the_fields_of_the_model(person: Any) -> None:
    expected = {
        "country=at": ["Linz"],
        "country=hr": ["Split", "Zagreb"],
        "country=hr&is_capital__exact=1": ["Zagreb"],
        "founded__from=1094-01-02": ["Split"],
        "founded__to=1950-06-29": ["Zagreb"],
        "founded__from=1950-06-30&founded__to=1950-06-30": ["Split"],
        "seen_at__from=2026-03-01&seen_at__to=2026-03-01": ["Linz"],
        "seen_at__to=2026-02-28": [],
        "created_at__from=2020-01-01": ["Linz", "Split", "Zagreb"],
        "created_at__to=2020-01-01": [],
        "founded__from=&founded__to=": ["Linz", "Split", "Zagreb"],
        "country=": ["Linz", "Split", "Zagreb"],
    }
    assert {query: [row.name for row in listed(person, query).result_list] for query in expected} == expected


def test_a_filter_offers_the_values_that_there_are(person: Any) -> None:
    shown: Any = listed(person, "country=hr&rows=all")
    (of_countries,) = [spec for spec in shown.filter_specs if getattr(spec, "field_path", "") == "country"]
    (choice,) = of_countries.choices(shown)
    assert [(value, is_given) for value, is_given, _ in choice["offered"]] == [("at", False), ("hr", True)]
    assert choice["hidden"] == [("rows", "all")]


def test_the_last_day_of_a_calendar_is_a_sentence_too(person: Any) -> None:
    problems = listed(person, "founded__to=9999-12-31").problems
    assert problems == ['Founded: "9999-12-31" is not a date; write it as 2026-10-31.']


def test_a_key_that_may_be_nothing_is_a_key_too() -> None:
    City.natural_key = ("country", "people")
    try:
        old = City.objects.create(**city("A", people=None, archived_at=utc_now()))
        new = City.objects.create(**city("B", people=None))
        City.objects.create(**city("C", people=5))
        assert [era.version.row for era in eras(new, most=5).shown] == [new, old]
    finally:
        City.natural_key = ("country", "name")
