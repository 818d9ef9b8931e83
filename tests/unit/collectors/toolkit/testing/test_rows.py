"""Rows are read as the real store reads them: each case is put to both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from apps.records.models import DataTable
from apps.records.rows import RowReader
from collectors.contract import MergeResult
from collectors.sources.examples.debian.python_docs.models import Module
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import BadRow
from collectors.toolkit.testing import MemoryRecords

BOOK = {"isbn": "1", "title": "A", "author": "B", "category": "C", "price": "9.90", "stock": 3}


class Event(DataTable):
    natural_key = ("at",)

    at = models.DateTimeField()

    class Meta:
        app_label = "tests"
        managed = False


def test_the_fields_of_a_table_read_their_values_and_fill_in_defaults() -> None:
    records = MemoryRecords()
    row = {"name": "abc", "synopsis": "", "platform": "", "page": "abc.html", "source_url": ""}
    records.merge(Module, [row])
    records.merge(Book, [{**BOOK, "stock": "7"}])

    assert records.rows(Module) == [{**row, "is_deprecated": False}]
    assert records.rows(Book) == [{**BOOK, "price": Decimal("9.90"), "stock": 7}]


def test_an_instance_a_mapping_and_a_dataclass_say_the_same() -> None:
    @dataclass(frozen=True, slots=True)
    class Row:
        isbn: str
        title: str
        author: str
        category: str
        price: Decimal
        stock: int

    instance = Book(**{**BOOK, "price": Decimal("9.90")})
    row = Row("1", "A", "B", "C", Decimal("9.9"), 3)

    assert MemoryRecords().merge(Book, [BOOK, instance, row]) == MergeResult(seen=3, inserted=1, duplicates=2)


@pytest.mark.parametrize(
    ("model", "row", "scope"),
    [
        (Book, {**BOOK, "colour": "red"}, {}),
        (Book, {"isbn": "1"}, {}),
        (Book, {**BOOK, "price": "a lot"}, {}),
        (Book, {**BOOK, "price": "1234567.00"}, {}),
        (Book, {**BOOK, "stock": -1}, {}),
        (Book, {**BOOK, "isbn": "97800000000000"}, {}),
        (Book, {**BOOK, "title": None}, {}),
        (Book, {**BOOK, "title": "A\x00"}, {}),
        (Book, {**BOOK, "isbn": None}, {}),
        (Book, object(), {}),
        (Book, Module(name="abc", page="abc.html"), {}),
        (Book, BOOK, {"category": "D"}),
        (Module, {"name": "abc", "page": "abc.html", "source_url": "nowhere"}, {}),
        (Module, {"name": "abc", "page": "abc.html", "is_deprecated": "perhaps"}, {}),
        (Book, {**BOOK, "title": "\ud800"}, {}),
    ],
)
def test_it_refuses_what_the_real_store_refuses_in_the_same_words(
    model: type[DataTable], row: Any, scope: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "scope_fields", tuple(scope))
    with pytest.raises(BadRow) as real:
        list(RowReader(model, scope).read([row]))

    with pytest.raises(BadRow) as double:
        MemoryRecords().merge(model, [row], scope=scope)

    assert str(double.value) == str(real.value)


@pytest.mark.parametrize(
    "row",
    [BOOK, {**BOOK, "stock": "3"}, {**BOOK, "price": Decimal("9.90")}, {**BOOK, "title": ""}, Book(**BOOK)],
)
def test_it_reads_what_the_real_store_reads(row: Any) -> None:
    records = MemoryRecords()
    records.merge(Book, [row])

    [(_, _, values)] = RowReader(Book, {}).read([row])
    assert records.rows(Book) == [values]


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), None, "2026-01-01T00:00:00", "yesterday"])  # noqa: DTZ001
def test_it_refuses_times_like_the_real_store(at: object) -> None:
    row = {"at": at}
    with pytest.raises(BadRow) as real:
        list(RowReader(Event, {}).read([row]))

    with pytest.raises(BadRow) as double:
        MemoryRecords().merge(Event, [row])

    assert str(double.value) == str(real.value)
