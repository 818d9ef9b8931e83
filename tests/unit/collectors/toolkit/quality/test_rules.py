"""What each kind of rule says of a row and of a merge."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collectors.contract import MergeResult
from collectors.toolkit.quality import (
    ArchivedShare,
    Compare,
    EmptyResult,
    Facts,
    Format,
    Freshness,
    Length,
    OneOf,
    Range,
    Reference,
    Required,
    RowCount,
    RowRule,
    Type,
    Unique,
    completeness_of,
    spread_of,
)
from collectors.toolkit.quality.kinds import KINDS, BadRule, make_rule, parameter_help

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Prices:
    """A table as a rule sees it."""

    natural_key: tuple[str, ...] = ("sku",)

    def convert(self, field: str, value: Any) -> Any:
        return Decimal(str(value)) if field == "price" else value

    def values_of(self, dataset: str, fields: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
        return [("A",), ("B",)] if (dataset, fields) == ("shop.shop", ("code",)) else []


def faults(rule: RowRule, *rows: dict[str, Any]) -> list[tuple[str, str] | None]:
    check = rule.check(Prices())
    return [check({"sku": "1", "sha": str(row), **row}) for row in rows]


@pytest.mark.parametrize(
    ("rule", "right", "wrong", "words"),
    [
        (Required(fields=("name",)), "x", "  ", "must not be empty"),
        (Required(fields=("name",)), 0, None, "must not be empty"),
        (Type(field="name", type="integer"), "12", "1x", "is '1x', which is no integer"),
        (Type(field="name", type="date"), "2026-02-28", "2026-02-30", "no date"),
        (Length(field="name", minimum=2, maximum=3), "abc", "abcd", "has a length of 4, at most 3"),
        (Length(field="name", minimum=2), None, "", "has a length of 0, at least 2"),
        (Range(field="price", minimum=0), Decimal(0), Decimal("-0.01"), "is -0.01, at least 0"),
        (Range(field="price", maximum="9.99"), Decimal("9.99"), Decimal(10), "is 10, at most 9.99"),
        (Range(field="name", maximum=1), 1.0, float("nan"), "is nan, at most 1"),
        (Format(field="name", pattern=r"\d{3}"), "123", "1234", "does not match"),
        (Format(field="name", pattern=r"\d{3}"), "", "abc", "does not match"),
        (OneOf(field="name", values=("EUR", "USD")), "EUR", "HRK", "is not among"),
        (Reference(fields=("name",), dataset="shop.shop", to_fields=("code",)), "A", "C", "shop.shop does not have"),
        (Reference(fields=("name",), dataset="shop.shop", to_fields=("code",)), None, "C", "is 'C'"),
    ],
)  # fmt: skip
def test_a_rule_about_a_field(rule: RowRule, right: Any, wrong: Any, words: str) -> None:
    name = rule.field_names()[0]

    passed, broken = faults(rule, {name: right}, {name: wrong})

    assert passed is None
    assert broken is not None
    assert broken[0] == name
    assert words in broken[1]


def test_two_fields_are_compared_where_both_are_there() -> None:
    rule = Compare(left="start", operator="<=", right="end")

    found = faults(rule, {"start": 1, "end": 1}, {"start": None, "end": 1}, {"start": 2, "end": 1})

    assert found[:2] == [None, None]
    assert found[2] == ("start", "is 2, but has to be <= end, which is 1")
    assert faults(rule, {"start": "a", "end": 1}) == [("start", "('a') cannot be compared with end (1)")]


def test_the_first_row_with_a_key_counts_and_equal_ones_are_one() -> None:
    first, same, other = {"sku": "1", "sha": "x"}, {"sku": "1", "sha": "x"}, {"sku": "1", "sha": "y"}

    assert faults(Unique(), first, same) == [None, None]
    assert faults(Unique(), first, other) == [None, ("sku", "is '1', as in an earlier row with other contents")]


def test_other_fields_belong_to_one_thing_and_none_to_nobody() -> None:
    rows = [{"sku": "1", "code": "X"}, {"sku": "1", "code": "X"}, {"sku": "2", "code": "X"}]
    nobody = [{"sku": "1", "code": None}, {"sku": "2", "code": None}]

    assert faults(Unique(fields=("code",)), *rows) == [None, None, ("code", "is 'X', as in an earlier row")]
    assert faults(Unique(fields=("code",)), *nobody) == [None, None]


def facts(*, current: int = 0, takes_away: bool = True, is_complete: bool = True, **numbers: Any) -> Facts:
    known = {name: numbers.pop(name) for name in ("history", "last_good_at", "newest") if name in numbers}
    result = MergeResult(**numbers)
    return Facts(
        dataset="Price",
        result=result,
        current=current,
        takes_away=takes_away,
        is_complete=is_complete,
        now=NOW,
        **known,
    )


@pytest.mark.parametrize(
    ("given", "is_empty"),
    [
        (facts(current=3), True),
        (facts(current=3, seen=2, quarantined=2), True),
        (facts(current=0), False),
        (facts(current=3, takes_away=False), False),
        (facts(current=3, seen=1, inserted=1), False),
    ],
)
def test_an_empty_result_is_one_that_would_take_rows_away(given: Facts, is_empty: bool) -> None:
    assert bool(EmptyResult().fault(given)) is is_empty
    assert EmptyResult(allowed=True).fault(given) == ""


@pytest.mark.parametrize(
    ("numbers", "is_much"),
    [
        ({"seen": 5, "unchanged": 5, "archived": 5, "current": 10}, False),
        ({"seen": 4, "unchanged": 4, "archived": 6, "current": 10}, True),
        ({"seen": 10, "inserted": 10, "archived": 10, "changed": 10, "current": 10}, False),
        ({"seen": 4, "unchanged": 4, "deleted": 6, "current": 10}, True),
        ({"current": 10, "archived": 10}, False),
    ],
    ids=["half", "more than half", "all changed", "deleted", "empty, which the other rule judges"],
)
def test_more_than_half_of_the_rows_is_too_much(numbers: dict[str, Any], is_much: bool) -> None:
    assert bool(ArchivedShare().fault(facts(**numbers))) is is_much


def test_the_share_and_the_least_number_can_be_set() -> None:
    lost = facts(current=3, seen=1, unchanged=1, archived=2)

    assert ArchivedShare().fault(lost) == (
        "Price: 2 of 3 current rows would be archived, more than 50%; nothing was written"
    )
    assert ArchivedShare(at_least=3).fault(lost) == ""
    assert ArchivedShare(maximum=0.7).fault(lost) == ""


def test_the_number_of_rows_is_held_against_what_is_usual() -> None:
    rule = RowCount(tolerance=4)
    usual = [100, 102, 98, 101, 5000, 99]

    assert rule.fault(facts(seen=110, inserted=110, history=usual)) == ""
    assert "50 rows came; between" in rule.fault(facts(seen=50, inserted=50, history=usual))
    assert rule.fault(facts(seen=50, inserted=50, history=usual[:4])) == ""
    assert rule.fault(facts(seen=50, inserted=50, history=usual, is_complete=False)) == ""
    assert "at least 60" in RowCount(minimum=60).fault(facts(seen=50))


def test_counts_that_never_changed_are_no_trap() -> None:
    """Their deviation is 0; one row more is ordinary all the same."""
    rule = RowCount(tolerance=3)

    assert rule.fault(facts(seen=11, history=[10] * 30)) == ""
    assert rule.fault(facts(seen=20, history=[10] * 30)) != ""


@pytest.mark.parametrize(
    ("newest", "is_old"),
    [
        (NOW - timedelta(hours=23), False),
        (NOW - timedelta(hours=25), True),
        (date(2026, 11, 22), False),
        (date(2026, 11, 21), True),
        (None, True),
    ],
)
def test_news_may_be_too_old(newest: Any, is_old: bool) -> None:
    rule = Freshness(field="day", max_age_hours=24)

    assert bool(rule.fault(facts(seen=1, newest={"day": newest}))) is is_old
    assert rule.fault(facts(seen=0, newest={"day": newest})) == ""


def test_a_merge_may_come_late() -> None:
    rule = Freshness(max_age_hours=24, severity="warn")

    assert "30.0 hours ago" in rule.fault(facts(seen=1, last_good_at=NOW - timedelta(hours=30)))
    assert rule.fault(facts(seen=1)) == ""
    with pytest.raises(ValidationError, match="never be let in again"):
        Freshness(max_age_hours=24)


@pytest.mark.parametrize(
    ("kind", "parameters", "severity", "words"),
    [
        ("range", {"field": "x"}, "block", "name a minimum or a maximum"),
        ("range", {"minimum": 1}, "block", '"field": Field required'),
        ("range", {"field": "x", "minimum": 1, "least": 2}, "block", '"least": Extra inputs'),
        ("format", {"field": "x", "pattern": "("}, "block", "no regular expression"),
        ("row_count", {}, "block", "name a minimum, a maximum or a tolerance"),
        ("row_count", {"minimum": 3, "maximum": 2}, "block", "the minimum is above"),
        ("archived_share", {"maximum": 2}, "block", "less than or equal to 1"),
        ("archived_share", {}, "quarantine", 'can block or warn, not "quarantine"'),
        ("range", {"field": "x", "minimum": 1, "severity": "warn"}, "block", "place of its own"),
        ("shape", {}, "block", 'no kind of rule "shape"'),
        ("freshness", {"max_age_hours": float("nan"), "field": "x"}, "block", "finite"),
    ],
)
def test_parameters_that_make_no_rule_are_a_sentence(
    kind: str, parameters: dict[str, Any], severity: str, words: str
) -> None:
    with pytest.raises(BadRule, match=f"(?i){words}"):
        make_rule(kind, parameters, severity=severity)


def test_every_kind_says_what_its_parameters_are() -> None:
    assert set(parameter_help(KINDS["range"]).split(", ")) == {"field", "[minimum]", "[maximum]"}
    assert parameter_help(KINDS["fits"]) == "none"
    assert all(kind.kind == name and kind.severities for name, kind in KINDS.items())


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.integers(0, 10**9))
def test_what_is_usual_is_never_infinitely_far_away(values: list[int], value: int) -> None:
    usual = spread_of(values)

    assert min(values) <= usual.middle <= max(values)
    assert usual.deviation >= 1
    assert usual.distance(usual.middle) == 0
    assert usual.distance(value) >= 0


def test_completeness_is_the_share_of_values_that_are_there() -> None:
    assert completeness_of([("a", None), ("", 0)]) == 0.5
    assert completeness_of([]) is None
