"""Streams, scopes, kinds of keys, versions, and the moment one asks about."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from apps.records.history import versions
from apps.records.merge import Hooks
from apps.records.preview import Difference
from collectors.contract import MergeResult
from collectors.toolkit.errors import BadRow, StorageError
from tests.integration.apps.records.tables import ALIAS, City, Price, Reading, city, current, made, store

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

SENSOR = uuid.UUID(int=7)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with made(City, Reading, Price):
        yield


class Cities:
    """Can be gone through again and again; says other things from the second time on, if told to."""

    def __init__(self, count: int, *, second: int = 1) -> None:
        self.count, self.people = count, iter([1, second, second])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        people = next(self.people)
        return (city(f"City {number}", people) for number in range(self.count))


def reading(batch: int | None, value: float = 1.0, **values: Any) -> dict[str, Any]:
    row = {"sensor": SENSOR, "batch": batch, "day": date(2026, 5, 4), "taken_at": NOON, "is_test": False}
    return {**row, "value": value, **values}


def test_a_stream_of_many_rows_is_merged_whole() -> None:
    assert store().merge(City, iter(Cities(2500))) == MergeResult(seen=2500, inserted=2500)
    rows = iter([*list(Cities(2499)), city("New")])

    result = store().merge(City, rows)

    assert result == MergeResult(seen=2500, inserted=1, archived=1, unchanged=2499)
    assert ("hr", "New") in current()


def test_what_can_be_read_twice_is_read_twice() -> None:
    assert store().merge(City, Cities(20)) == MergeResult(seen=20, inserted=20)
    assert len(current()) == 20


def test_what_says_something_else_the_second_time_is_refused() -> None:
    with pytest.raises(StorageError, match="Row 1 of City was another one when it was read again"):
        store().merge(City, Cities(3, second=2))
    assert not current()


def test_keys_of_many_kinds_are_matched() -> None:
    rows = [
        reading(None), reading(0), reading(-5, is_test=True), reading(1, day=date(1899, 1, 1)),
        reading(1, taken_at=datetime(1969, 7, 20, 20, 17, 40, 123456, tzinfo=UTC)), reading(1, sensor=uuid.UUID(int=8)),
    ]  # fmt: skip
    assert store().merge(Reading, rows) == MergeResult(seen=6, inserted=6)
    assert store().merge(Reading, rows) == MergeResult(seen=6, unchanged=6)
    assert store().merge(Reading, rows, missing="keep") == MergeResult(seen=6, unchanged=6)

    result = store().merge(Reading, [reading(None, 2.0), *rows[1:]])

    assert (result.inserted, result.archived, result.changed, result.unchanged) == (1, 1, 1, 5)
    assert current(Reading).keys() == {tuple(row[name] for name in Reading.natural_key) for row in rows}


def test_keys_that_are_decimals_are_matched() -> None:
    store().merge(Price, [{"amount": Decimal("1.50"), "currency": "EUR"}, {"amount": 2, "currency": "EUR"}])

    result = store().merge(Price, [{"amount": "1.5", "currency": "EUR"}, {"amount": "2.00", "currency": "USD"}])

    assert result == MergeResult(seen=2, inserted=1, archived=1, unchanged=1)


def test_a_scope_means_the_same_for_what_comes_and_what_is_there() -> None:
    store().merge(City, [city("Zagreb"), city("Split"), city("Bled", country="si")])

    result = store().merge(City, [city("Zagreb", 2)], scope={"country": "hr"})

    assert (result.inserted, result.archived, result.changed) == (1, 2, 1)
    assert sorted(current()) == [("hr", "Zagreb"), ("si", "Bled")]


def test_a_key_that_is_current_outside_of_the_scope_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(City, "scope_fields", ("people",))
    store().merge(City, [city("Zagreb", 1), city("Split", 2)])

    with pytest.raises(BadRow, match="current outside the scope of this merge: country=hr, name=Split"):
        store().merge(City, [city("Zagreb", 1), city("Split", 1)], scope={"people": 1})

    assert {name: row.people for (_, name), row in current().items()} == {  # type: ignore[attr-defined]
        "Zagreb": 1,
        "Split": 2,
    }


def test_missing_rows_can_be_deleted() -> None:
    store().merge(City, [city("Zagreb"), city("Split"), city("Pula")])

    result = store().merge(City, [city("Zagreb"), city("Split", 2)], missing="delete")

    assert result == MergeResult(seen=2, inserted=1, archived=1, unchanged=1, deleted=1)
    assert result.changed == 1
    assert sorted((row.name, row.people, row.archived_by) for row in City.objects.all()) == [
        ("Split", 1, "a" * 32), ("Split", 2, ""), ("Zagreb", 1, ""),
    ]  # fmt: skip
    store().merge(City, [city("Zagreb")], missing="delete", complete=False)
    assert len(current()) == 2


def test_an_unknown_fate_of_missing_rows_is_refused() -> None:
    with pytest.raises(StorageError, match='"drop" is nothing'):
        store().merge(City, [], missing="drop")  # type: ignore[arg-type]


def test_a_row_saved_alone_brings_its_hash_along() -> None:
    store().merge(City, [city("Zagreb", 1)])
    row: Any = City.objects.get()
    row.people = "2"  # as a form would have it
    row.save(update_fields=["people"])

    assert store().merge(City, [city("Zagreb", 2)]) == MergeResult(seen=1, unchanged=1)

    row.page = "https://zagreb.example/"
    row.save(update_fields=["page"])
    assert store().merge(City, [city("Zagreb", 2)]) == MergeResult(seen=1, unchanged=1)


def test_a_field_outside_of_the_hash_makes_no_version() -> None:
    store().merge(City, [city("Zagreb", page="https://one.example/")])

    assert store().merge(City, [city("Zagreb", page="https://two.example/")]) == MergeResult(seen=1, unchanged=1)


def test_two_snapshots_of_one_scope_in_one_transaction_are_refused() -> None:
    records = store()
    with pytest.raises(StorageError, match="merged before in this transaction"), records.transaction():  # noqa: PT012
        records.merge(City, [city("Zagreb")], scope={"country": "hr"})
        records.merge(City, [city("Bled", country="si")], scope={"country": "si"})
        records.merge(City, [city("Split")])
    assert not current()


def test_the_table_at_a_moment_and_the_versions_of_a_row() -> None:
    moments = []
    for run, people in enumerate([1, 2, None, 3]):
        rows = [city("Split")] if people is None else [city("Split"), city("Zagreb", people, extra={"turn": run})]
        store(str(run) * 32).merge(City, rows)
        moments.append(City.objects.order_by("-modified_at").values_list("modified_at", flat=True)[0])

    then = [[row.people for row in City.objects.as_of(moment) if row.name == "Zagreb"] for moment in moments]
    assert then == [[1], [2], [], [3]]
    assert not City.objects.as_of(moments[0] - timedelta(seconds=1)).exists()
    first, second, third = versions(City, country="hr", name="Zagreb")
    assert (first.since, first.until, first.changes) == (moments[0], moments[1], {})
    assert (first.written_by, first.archived_by) == ("0" * 32, "1" * 32)
    assert second.changes == {"people": (1, 2), "extra": ({"turn": 0}, {"turn": 1})}
    assert (second.until, third.since, third.until, third.written_by) == (moments[2], moments[3], None, "3" * 32)


def test_history_wants_a_zone_and_the_whole_key() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        City.objects.as_of(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="the natural key of City is country, name"):
        versions(City, name="Zagreb")


def test_a_dry_run_says_which_rows_would_change_and_how() -> None:
    store().merge(City, [city("Zagreb"), city("Split"), city("Pula")])
    told: list[Difference] = []
    before = list(City.objects.order_by("pk").values())

    result = store(dry_run=True, hooks=Hooks(on_difference=lambda _, difference: told.append(difference))).merge(
        City, iter([city("Zagreb", 2), city("Rijeka"), city("Split")])
    )

    assert (result.new, result.changed, result.archived, result.unchanged) == (1, 1, 2, 1)
    assert told == [
        Difference(kind="changed", key={"country": "hr", "name": "Zagreb"}, fields={"people": (1, 2)}),
        Difference(kind="new", key={"country": "hr", "name": "Rijeka"}),
        Difference(kind="missing", key={"country": "hr", "name": "Pula"}),
    ]
    assert list(City.objects.order_by("pk").values()) == before


def test_a_column_that_is_missing_is_named_with_the_command_to_type() -> None:
    run_sql("ALTER TABLE test_city RENAME COLUMN people TO inhabitants")

    with pytest.raises(StorageError, match=r'"test_city" has no column "people", but City does: manage\.py migrate'):
        store().merge(City, [city("Zagreb")])


def test_a_column_that_has_to_be_filled_and_is_unknown_is_named() -> None:
    connection = connections[ALIAS]
    run_sql("ALTER TABLE test_city ADD COLUMN region varchar(10) NOT NULL DEFAULT 'x'")
    assert store().merge(City, [city("Zagreb")]).inserted == 1
    if connection.vendor == "postgresql":
        run_sql("ALTER TABLE test_city ALTER COLUMN region DROP DEFAULT")
        with pytest.raises(StorageError, match='a column "region" that must be filled and that City does not know'):
            store().merge(City, [city("Split")])


def test_a_table_that_changes_while_the_run_goes_on_is_noticed_and_nothing_is_written() -> None:
    records = store()
    records.merge(City, [city("Zagreb")])
    run_sql("ALTER TABLE test_city ADD COLUMN region varchar(10) NULL")

    with pytest.raises(StorageError, match='changed while the run was going on: its column "region" appeared'):
        records.merge(City, [city("Split")])

    assert list(current()) == [("hr", "Zagreb")]


def test_a_table_that_changes_while_rows_are_read_is_noticed() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield city("Zagreb")
        run_sql("ALTER TABLE test_city ADD COLUMN region varchar(10) NULL")
        yield city("Split")

    with pytest.raises(StorageError, match='its column "region" appeared'):
        store().merge(City, rows())
    assert not City.objects.exists()


def run_sql(statement: str) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement)
