from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from collectors.contract import MergeResult
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import BadRow, StorageError
from collectors.toolkit.testing import MemoryRecords

BOOK = {"isbn": "1", "title": "A", "author": "B", "category": "C", "price": "9.90", "stock": 3}


class City:
    """Any class with a natural key will do."""

    natural_key: ClassVar = ("country", "name")
    scope_fields: ClassVar = ("country",)


@dataclass(frozen=True, slots=True)
class CityRow:
    country: str
    name: str
    people: int


ZAGREB, SPLIT, BLED = CityRow("hr", "Zagreb", 770_000), CityRow("hr", "Split", 160_000), CityRow("si", "Bled", 5_000)


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_new_rows_are_inserted() -> None:
    records = MemoryRecords()

    assert records.merge(City, [ZAGREB, SPLIT]) == MergeResult(seen=2, inserted=2)
    assert records.rows(City)[0] == {"country": "hr", "name": "Zagreb", "people": 770_000}


def test_equal_rows_are_left_alone() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB, SPLIT])

    assert records.merge(City, [SPLIT, ZAGREB]) == MergeResult(seen=2, unchanged=2)
    assert records.history(City) == []


def test_a_changed_row_is_archived_and_inserted() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB])

    assert records.merge(City, [CityRow("hr", "Zagreb", 1)]) == MergeResult(seen=1, inserted=1, archived=1)
    assert [row["people"] for row in records.rows(City)] == [1]
    assert [row["people"] for row in records.history(City)] == [770_000]


def test_rows_that_were_not_seen_again_are_archived() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB, SPLIT])

    assert records.merge(City, [ZAGREB]).archived == 1
    assert names(records.history(City)) == ["Split"]


@pytest.mark.parametrize("options", [{"missing": "keep"}, {"complete": False}])
def test_rows_that_were_not_seen_again_stay_when_told_so(options: dict[str, Any]) -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB, SPLIT])

    assert records.merge(City, [ZAGREB], **options).archived == 0
    assert names(records.rows(City)) == ["Zagreb", "Split"]


def test_an_archived_row_can_come_back() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB, SPLIT])
    records.merge(City, [ZAGREB])

    assert records.merge(City, [ZAGREB, SPLIT]) == MergeResult(seen=2, inserted=1, unchanged=1)


def test_a_scope_limits_what_is_archived() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB, SPLIT, BLED])

    assert records.merge(City, [ZAGREB], scope={"country": "hr"}).archived == 1
    assert names(records.rows(City)) == ["Zagreb", "Bled"]


def test_a_row_outside_the_scope_is_refused() -> None:
    with pytest.raises(BadRow, match="\"country\" is 'si', outside the scope 'hr'"):
        MemoryRecords().merge(City, [BLED], scope={"country": "hr"})


def test_only_declared_fields_can_be_a_scope() -> None:
    with pytest.raises(StorageError, match='cannot be merged by "name"'):
        MemoryRecords().merge(City, [BLED], scope={"name": "Bled"})


def test_the_same_row_twice_counts_as_a_duplicate() -> None:
    assert MemoryRecords().merge(City, [ZAGREB, ZAGREB]) == MergeResult(seen=2, inserted=1, duplicates=1)


def test_different_rows_with_one_key_are_refused() -> None:
    records = MemoryRecords()

    with pytest.raises(BadRow, match="the same key: country=hr, name=Zagreb"):
        records.merge(City, [ZAGREB, CityRow("hr", "Zagreb", 1)])
    assert records.rows(City) == []


def test_no_rows_at_all_archive_nothing() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB])

    with pytest.raises(StorageError, match="brought no rows while 1 are current"):
        records.merge(City, [])
    assert names(records.rows(City)) == ["Zagreb"]


def test_a_class_without_a_natural_key_is_refused() -> None:
    with pytest.raises(BadRow, match="str is not a DataTable"):
        MemoryRecords().merge(str, [])


def test_a_row_without_its_key_is_refused() -> None:
    with pytest.raises(BadRow, match='Row 1 of City: "name" is missing'):
        MemoryRecords().merge(City, [{"country": "hr"}])


def test_a_transaction_that_fails_leaves_nothing_behind() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB])

    def fail_half_way() -> None:
        with records.transaction():
            records.merge(City, [SPLIT])
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert names(records.rows(City)) == ["Zagreb"]
    assert records.history(City) == []
    assert records.totals == MergeResult(seen=1, inserted=1)


def test_a_transaction_that_succeeds_keeps_everything() -> None:
    records = MemoryRecords()

    with records.transaction():
        records.merge(City, [ZAGREB])
        records.merge(Book, [BOOK])

    assert (len(records.rows(City)), len(records.rows(Book))) == (1, 1)


def test_a_dry_run_counts_and_writes_nothing() -> None:
    records = MemoryRecords(dry_run=True)

    assert records.merge(City, [ZAGREB]) == MergeResult(seen=1, inserted=1)
    assert records.rows(City) == []


def test_what_comes_out_is_a_copy() -> None:
    records = MemoryRecords()
    records.merge(City, [ZAGREB])

    records.rows(City)[0]["people"] = 0

    assert records.rows(City)[0]["people"] == 770_000
