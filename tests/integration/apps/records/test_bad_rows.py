"""What does not fit is refused with the number of the row, the field and the rule, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.records.merge import Hooks
from collectors.contract import MergeResult
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import BadRow, StorageError
from tests.integration.apps.records.tables import ALIAS, City, Reading, city, current, made, store

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with made(City):
        yield


@dataclass
class Thing:
    country: str
    name: str


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


GOOD = city("Zagreb", 1, page="https://zagreb.example/")


@pytest.mark.parametrize(
    ("row", "field", "rule", "words"),
    [
        (without(GOOD, "name"), "name", "missing", "is missing"),
        ({**GOOD, "mayor": "A"}, "mayor", "unknown", "is not a field"),
        ({**GOOD, "name": None}, "name", "null", "must not be empty"),
        ({**GOOD, "people": "many"}, "people", "type", "must be an integer"),
        ({**GOOD, "people": 1.5}, "people", "type", "is 1.5, not a whole number"),
        ({**GOOD, "people": float("inf")}, "people", "type", "cannot be read|not a whole number"),
        ({**GOOD, "people": 2**63}, "people", "range", "less than or equal to"),
        ({**GOOD, "area": "wide"}, "area", "type", "decimal number"),
        ({**GOOD, "area": Decimal("1.234")}, "area", "digits", "2 decimal places"),
        ({**GOOD, "area": Decimal("1234567.1")}, "area", "digits", "digits before the decimal point"),
        ({**GOOD, "area": Decimal("NaN")}, "area", "type", "decimal number|NaN"),
        ({**GOOD, "is_capital": "maybe"}, "is_capital", "type", "True or False"),
        ({**GOOD, "height": "high"}, "height", "type", "must be a float"),
        ({**GOOD, "founded": "2026-02-31"}, "founded", "type", "invalid date"),
        ({**GOOD, "seen_at": "yesterday"}, "seen_at", "type", "invalid format"),
        ({**GOOD, "seen_at": datetime(2026, 1, 1)}, "seen_at", "naive", "a time without a zone"),  # noqa: DTZ001
        ({**GOOD, "name": "x" * 41}, "name", "length", "at most 40 characters"),
        ({**GOOD, "name": ["Zagreb"]}, "name", "type", "is a list, not a text"),
        ({**GOOD, "name": b"Zagreb"}, "name", "type", "is a bytes, not a text"),
        ({**GOOD, "name": "Za\x00greb"}, "name", "nul", "NUL character"),
        ({**GOOD, "note": "\x00"}, "note", "nul", "NUL character"),
        ({**GOOD, "page": "https://x.example/\x00"}, "page", "nul|type|format", "NUL character|valid URL"),
        ({**GOOD, "extra": {"deep": ["\x00"]}}, "extra", "nul", "NUL character"),
        ({**GOOD, "name": "\ud800"}, "name", "surrogate", "lone surrogate"),
        ({**GOOD, "page": "not an address"}, "page", "type", "valid URL"),
        (7, "", "kind", "is a int"),
        (Book(isbn="1"), "", "kind", "is a Book"),
        (Thing, "", "kind", "is a type"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_fit(row: Any, field: str, rule: str, words: str) -> None:
    store().merge(City, [city("Split")])

    with pytest.raises(BadRow, match=words) as caught:
        store().merge(City, [GOOD, city("Pula"), row])

    assert (caught.value.row, caught.value.field) == (3, field)
    assert caught.value.rule in rule.split("|")
    assert "Row 3" in str(caught.value)
    assert list(current()) == [("hr", "Split")]
    assert City.objects.count() == 1


def test_a_row_of_a_one_shot_iterator_is_named_as_well() -> None:
    with pytest.raises(BadRow, match='Row 2 of City: "people"') as caught:
        store().merge(City, iter([GOOD, city("Pula", "many")]))

    assert (caught.value.row, caught.value.field, caught.value.rule) == (2, "people", "type")


def test_a_row_outside_the_scope_is_refused() -> None:
    with pytest.raises(BadRow, match="outside the scope 'si'") as caught:
        store().merge(City, [GOOD], scope={"country": "si"})

    assert (caught.value.row, caught.value.field, caught.value.rule) == (1, "country", "scope")


def test_a_scope_that_its_field_cannot_keep_is_refused() -> None:
    with pytest.raises(StorageError, match='The scope of a merge into City: "country"'):
        store().merge(City, [], scope={"country": "hrv"})


def test_rows_of_every_kind_that_fit_are_taken_in() -> None:
    rows = [Thing("hr", "Pula"), City(country="hr", name="Split", people=2), {**GOOD, "area": "9.5", "people": "3"}]

    assert store().merge(City, rows) == MergeResult(seen=3, inserted=3)

    zagreb = current()["hr", "Zagreb"]
    assert (zagreb.area, zagreb.people, zagreb.page) == (Decimal("9.50"), 3, GOOD["page"])  # type: ignore[attr-defined]


def test_one_key_with_two_contents_is_refused_whether_it_is_new_or_known() -> None:
    with pytest.raises(BadRow, match="same key: country=hr, name=Zagreb") as caught:
        store().merge(City, [city("Zagreb", 1), city("Zagreb", 2)])
    assert caught.value.rule == "conflict"

    store().merge(City, [city("Zagreb", 1)])
    for missing in ("archive", "keep"):
        with pytest.raises(BadRow, match="same key: country=hr, name=Zagreb"):
            store().merge(City, [city("Zagreb", 1), city("Zagreb", 2)], missing=missing)
    assert len(current()) == City.objects.count() == 1


def test_a_rule_may_put_bad_rows_aside() -> None:
    aside: list[tuple[int | None, Any]] = []

    def quarantine(error: BadRow, row: Any) -> bool:
        aside.append((error.row, row))
        return error.rule == "length"

    records = store(hooks=Hooks(on_bad_row=quarantine))
    long = city("x" * 50)

    result = records.merge(City, [GOOD, long, city("Pula"), GOOD])

    assert result == MergeResult(seen=4, inserted=2, duplicates=1, quarantined=1)
    assert aside == [(2, long)]
    with pytest.raises(BadRow, match="Row 1"):
        records.merge(City, [city("Pula", "many")])


def test_among_many_rows_the_bad_ones_are_told_by_their_numbers_and_the_others_are_merged() -> None:
    aside: list[int | None] = []
    bad = {1, 499, 500, 501, 777, 1300}
    rows = [city("x" * 50 if number in bad else f"City {number}", number) for number in range(1, 1301)]

    def quarantine(error: BadRow, _: Any) -> bool:
        aside.append(error.row)
        return True

    result = store(hooks=Hooks(on_bad_row=quarantine)).merge(City, iter(rows))

    assert aside == sorted(bad)
    assert (result.seen, result.inserted, result.quarantined) == (1300, 1294, 6)
    assert vars(current()["hr", "City 778"])["people"] == 778


def test_rows_in_which_some_values_are_left_out_are_what_they_are_with_the_defaults() -> None:
    full = [city(f"City {number}", number) for number in range(600)]
    records = store()
    records.merge(City, full)

    shorter = [without(without(row, "page"), "note") for row in full]
    mixed = [row if number % 2 else shorter[number] for number, row in enumerate(full)]

    assert records.merge(City, mixed).unchanged == 600


def test_a_gate_undoes_the_merge_and_sees_its_numbers() -> None:
    store().merge(City, [city("Split"), city("Pula")])
    seen: list[Any] = []

    def gate(model: Any, result: MergeResult, current_before: int) -> None:
        seen.append((model, result.archived, current_before))
        raise StorageError("more than half would be archived")

    with pytest.raises(StorageError, match="more than half"):
        store(hooks=Hooks(gate=gate)).merge(City, [GOOD])

    assert seen == [(City, 2, 2)]
    assert sorted(current()) == [("hr", "Pula"), ("hr", "Split")]


def test_a_table_that_does_not_exist_is_a_sentence() -> None:
    with pytest.raises(StorageError, match=f'The database "{ALIAS}" refused'):
        store().merge(Reading, [])
