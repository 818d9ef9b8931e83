"""Merges in batches on a real database: none archives, and the end archives what none of them saw."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.quality.judging import Quality
from apps.records.merge import Hooks, Order, take_away
from apps.records.preview import Difference
from collectors.contract import MergeResult
from collectors.sources.examples.shop.books.models import Book
from collectors.stores import SeenKeys
from collectors.toolkit.errors import MergeBlocked, StorageError
from collectors.toolkit.merge import pack_keys, unpack_keys
from collectors.toolkit.scraping.shelf import FileLedger
from tests.integration.apps.records.tables import ALIAS, City, Price, Reading, city, current, made, store
from tests.integration.factories import book, books

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def isbns() -> list[int]:
    return sorted(int(row.isbn) for row in Book.objects.current())


def in_batches(batches: Iterable[Iterable[Any]], **options: Any) -> tuple[MergeResult, MergeResult]:
    """What the last step took away, and the sum of everything."""
    records = store("2" * 32, **options)
    with closing(FileLedger()) as ledger, records.series() as series:
        for rows in batches:
            with records.transaction():
                records.merge(Book, rows)
            ledger.add(series.take())
        swept = series.finish(ledger)
    return swept, records.totals


def test_the_end_archives_what_no_batch_saw_and_nothing_before() -> None:
    store().merge(Book, books(range(100)))
    batches = [books(range(40, 70)), iter([book(n, price="1.00") for n in range(70, 80)]), books(range(75, 120))]
    swept, totals = in_batches(batches)
    assert swept == MergeResult(archived=40)
    assert isbns() == list(range(40, 120))
    assert totals == MergeResult(seen=85, inserted=10 + 5 + 20, archived=40 + 10 + 5, unchanged=30 + 20)
    assert {row.archived_by for row in Book.objects.exclude(archived_at=None)} == {"2" * 32}


def test_without_the_end_everything_stays() -> None:
    store().merge(Book, books(range(10)))
    records = store()
    with records.series() as series:
        records.merge(Book, books(range(8, 12)))
        assert [one.group for one in series.take()] != []
    assert isbns() == list(range(12))
    records.merge(Book, books(range(6, 12)))
    assert isbns() == list(range(6, 12)), "after the series a merge is what it was"


def test_a_merge_that_was_not_complete_keeps_the_end_from_archiving() -> None:
    store().merge(Book, books(range(10)))
    records = store()
    with closing(FileLedger()) as ledger, records.series() as series:
        records.merge(Book, books(range(8, 10)))
        records.merge(Book, books(range(7, 8)), complete=False)
        ledger.add(series.take())
        assert series.finish(ledger) == MergeResult()
    assert isbns() == list(range(10))


def test_what_was_put_aside_was_seen() -> None:
    store().merge(Book, books(range(4)))
    hooks = Hooks(on_bad_row=lambda error, row: True)
    swept, totals = in_batches([[book(0)], [book(1, price="a lot"), book(2)]], hooks=hooks)
    assert (swept.archived, totals.quarantined) == (1, 1)
    assert isbns() == [0, 1, 2]


def test_the_rules_of_the_table_judge_the_last_step() -> None:
    store().merge(Book, books(range(10)))
    told: list[Mapping[str, Any]] = []

    def tell(kind: str, about: dict[str, Any]) -> bool:
        told.append({"kind": kind, **about})
        return True

    quality = Quality(runtime_id="2" * 32, tell=tell)
    with pytest.raises(MergeBlocked, match="archived_share"):
        in_batches([books(range(4))], quality=quality)
    assert isbns() == list(range(10))
    assert [(one["is_complete"], one["outcome"], one["archived"]) for one in told] == [
        (False, "pass", 0),
        (True, "block", 6),
    ]


def test_a_dry_run_tells_what_would_be_missing_and_writes_nothing() -> None:
    store().merge(Book, books(range(5)))
    missing: list[Difference] = []
    hooks = Hooks(on_difference=lambda model, difference: missing.append(difference))
    swept, _ = in_batches([books(range(3))], dry_run=True, hooks=hooks)
    assert swept.archived == 2
    assert {one.key["isbn"] for one in missing if one.kind == "missing"} == {f"{n:013}" for n in (3, 4)}
    assert isbns() == list(range(5))


def test_an_end_that_saw_nothing_archives_nothing() -> None:
    store().merge(Book, books(range(3)))
    with pytest.raises(StorageError, match="brought no rows while 3 are current"):
        in_batches([[]])
    assert isbns() == [0, 1, 2]


@pytest.fixture
def tables() -> Iterator[None]:
    with made(City, Reading, Price):
        yield


def sweep(model: Any, keys: Sequence[Sequence[Any]], **about: Any) -> MergeResult:
    order = Order(model=model, alias=ALIAS, runtime_id="3" * 32, now=datetime.now(UTC), **about)
    return take_away(order, unpack_keys(pack_keys(keys)))


@pytest.mark.usefixtures("tables")
def test_keys_of_every_kind_come_back_from_the_ledger_as_they_were() -> None:
    def reading(batch: int | None) -> dict[str, Any]:
        moment = datetime(2026, 3, 29, 1, 30, 0, 123457, UTC)
        return {
            "sensor": uuid.UUID(int=7), "batch": batch, "day": date(2026, 3, 29), "taken_at": moment,
            "is_test": batch == 1, "value": 1.5,
        }  # fmt: skip

    rows = [reading(None), reading(0), reading(1), reading(2)]
    store().merge(Reading, rows)
    keys = [[row[name] for name in Reading.natural_key] for row in rows[:3]]
    assert sweep(Reading, keys).archived == 1
    assert {batch for _, batch, *_ in current(Reading)} == {None, 0, 1}

    store().merge(Price, [{"amount": "1.10", "currency": "EUR"}, {"amount": "2.00", "currency": "EUR"}])
    assert sweep(Price, [[Decimal("1.1")]]).archived == 1
    assert list(current(Price)) == [(Decimal("1.10"),)]


@pytest.mark.usefixtures("tables")
def test_a_scope_is_swept_alone_and_deleted_where_the_merge_said_so() -> None:
    store().merge(City, [city("Zagreb"), city("Split"), city("Rome", country="it")])
    assert sweep(City, [["hr", "Split"]], scope={"country": "hr"}, missing="delete").deleted == 1
    assert set(current()) == {("hr", "Split"), ("it", "Rome")}


def test_a_ledger_in_a_file_gives_back_what_it_was_given() -> None:
    with closing(FileLedger()) as ledger:
        ledger.add([SeenKeys("a", b"1"), SeenKeys("b", b"22")])
        first = ledger.keys("a")
        assert next(first) == b"1"
        ledger.add([SeenKeys("a", b"333")])
        assert list(ledger.keys("a")) == [b"1", b"333"]
        assert list(ledger.groups()) == ["a", "b"]
