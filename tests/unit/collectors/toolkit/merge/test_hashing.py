from __future__ import annotations

import math
import unicodedata
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collectors.toolkit.merge import compile_hasher, make_hash

ROW: dict[str, Any] = {
    "name": "Ada Berić",
    "price": Decimal("9.90"),
    "stock": 3,
    "is_new": True,
    "seen_at": datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC),
    "day": date(2026, 5, 4),
    "at": time(12, 0),
    "for": timedelta(hours=1),
    "raw": b"\x00\xff",
    "tags": ["a", "b"],
    "extra": {"b": 1, "a": None},
    "id": uuid.UUID(int=5),
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    texts,
    st.binary(max_size=10),
    st.dates(),
    st.datetimes(),
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
#: Values that differ wherever Python says so.
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.binary(max_size=3), st.dates())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
rows = st.dictionaries(texts, values, max_size=5)


def of(value: Any) -> str:
    return make_hash({"field": value})


@pytest.mark.parametrize(
    ("row", "digest"),
    [
        (ROW, "d3349af14372c728563ad46fef7ecdc15e2717572e6ff7c259369b687c84e9d5"),
        ({}, "29528a6c75b229aa5109a2b95beab4dad8a96e71b23b6c0c00edfc5dab89b928"),
        ({"a": None}, "d54bc13af70af6b9b84a43a9ee6915fc0928f2dc4c290ba47a7583190fa585cb"),
        ({"a": 1}, "1a7ea7ee90cec5b3783034b3a493e643f775b2cbeea251f920424b2a2f7f436a"),
        ({"a": "1"}, "90269aa241ac8f4d73c09592e11092769c80ce564065bafee8b3461206173949"),
    ],
)
def test_digests_never_change(row: dict[str, Any], digest: str) -> None:
    """They stand in every table there is: another digest would archive every row of every source once."""
    assert make_hash(row) == digest


@given(rows, st.randoms())
def test_the_order_of_fields_does_not_matter(row: dict[str, Any], random: Any) -> None:
    items = list(row.items())
    random.shuffle(items)

    assert make_hash(dict(items)) == make_hash(row)


@given(rows)
def test_a_compiled_hasher_gives_the_same_digests(row: dict[str, Any]) -> None:
    assert compile_hasher(list(row))({**row, "_another field": 1}) == make_hash(row)


@given(rows, texts, plain, plain)
def test_another_value_is_another_digest(row: dict[str, Any], name: str, one: Any, two: Any) -> None:
    assume((type(one), one) != (type(two), two))

    assert make_hash({**row, name: one}) != make_hash({**row, name: two})


@given(st.text("abcXYZ \t\n\xa0", max_size=20))
def test_case_and_whitespace_of_text_do_not_matter(text: str) -> None:
    assert of(text.upper()) == of(text.lower()) == of("".join(text.split())) == of(f"\u2003{text}\r\n")


@given(texts)
def test_composed_and_decomposed_letters_are_one(text: str) -> None:
    assert of(unicodedata.normalize("NFD", text)) == of(text)


@pytest.mark.parametrize(("one", "two"), [("STRASSE", "straße"), ("ΌΣΟΣ", "όσος"), ("ﬁ", "FI")])
def test_case_folding_is_that_of_unicode(one: str, two: str) -> None:
    assert of(one) == of(two)


@pytest.mark.parametrize(
    "same",
    [
        (1, 1.0, Decimal(1), Decimal("1.00"), Decimal("1E0")),
        (0, 0.0, -0.0, Decimal("-0.0"), Decimal("0E+5")),
        (0.1, Decimal("0.1"), Decimal("0.10")),
        (10**20, 1e20, Decimal("1e20")),
        (math.nan, Decimal("NaN"), Decimal("sNaN"), -math.nan),
        (math.inf, Decimal("Infinity")),
    ],
)
def test_numbers_are_compared_by_value(same: tuple[Any, ...]) -> None:
    assert len({of(number) for number in same}) == 1


@pytest.mark.parametrize(
    "different",
    [
        (1, "1", True, [1], {"1": 1}, b"1"),
        (0, "", None, False, [], {}, b""),
        (1, -1, 10, 0.1),
        (math.inf, -math.inf, math.nan, 0),
        (date(2026, 5, 4), datetime(2026, 5, 4), datetime(2026, 5, 4, tzinfo=UTC)),  # noqa: DTZ001
        (["a", "b"], ["b", "a"], ["ab"], ["a", ["b"]]),
        (0.1 + 0.2, 0.3, Decimal("0.3000000000000000000001")),
    ],
)
def test_types_and_values_are_told_apart(different: tuple[Any, ...]) -> None:
    assert len({of(value) for value in different}) == len(different)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 8))
def test_trailing_zeros_do_not_matter(number: Decimal, zeros: int) -> None:
    sign, digits, exponent = number.as_tuple()
    longer = Decimal((sign, (*digits, *[0] * zeros), int(exponent) - zeros))

    assert of(longer) == of(number)


@given(st.integers())
def test_a_number_of_any_length_has_a_digest(number: int) -> None:
    assert of(number) == of(Decimal(number))
    assert of(10**5000 + number)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_is_one_in_every_zone(moment: datetime, minutes: int) -> None:
    here = moment.replace(tzinfo=UTC)

    assert of(here.astimezone(timezone(timedelta(minutes=minutes)))) == of(here)


def test_a_field_cannot_pretend_to_be_two() -> None:
    assert make_hash({"a": "1", "b": "2"}) != make_hash({"a": "11:b=s1:2"})
    assert of(["a", "b"]) != of(["as1:b"])


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        of("\ud800")


def test_a_moment_outside_of_time_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        of(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))


def test_a_type_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="type object has no canonical form"):
        of(object())
