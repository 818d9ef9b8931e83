"""Columns have the forms and the digests that their values have one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.merge import canonical, make_hash
from collectors.toolkit.merge.columns import FORMERS, OddColumn, row_hasher, with_nulls

ODDLY_SPACED = st.text("aZß \t\n\xa0\x1c\u2003\u0301eİ\r\x85", max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | ODDLY_SPACED
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(-(10**18) + 1, 10**18 - 1) | st.integers(-1000, 1000).map(lambda number: number * 1000),
    float: st.floats(),
    Decimal: st.decimals(allow_nan=False) | st.decimals(places=2, min_value=-(10**6), max_value=10**6),
    date: st.dates(),
    datetime: MOMENTS | MOMENTS.map(lambda moment: moment.astimezone(timezone(timedelta(hours=-5)))),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_a_column_has_the_forms_of_its_values(kind: type, data: st.DataObject) -> None:
    column = data.draw(st.lists(VALUES[kind], min_size=1, max_size=20))

    assert FORMERS[kind]()(column) == [canonical(value) for value in column]


@given(st.lists(TEXTS | st.none(), min_size=1, max_size=20))
def test_values_that_are_missing_keep_their_places(column: list[str | None]) -> None:
    assert with_nulls(column, FORMERS[str]()) == [canonical(value) for value in column]


def test_long_texts_have_their_forms_as_well() -> None:
    column = ["x" * 300, "short", "Ž" * 256]

    assert FORMERS[str]()(column) == [canonical(value) for value in column]


def test_numbers_that_were_remembered_keep_their_forms() -> None:
    former: Callable[[Any], list[str]] = FORMERS[int]()

    assert former([1000, 0, -50]) == former([1000, 0, -50]) == [canonical(value) for value in (1000, 0, -50)]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (str, ["a", "b\0c"]),
        (int, [1, 10**18]),
        (datetime, [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)]),  # noqa: DTZ001
    ],
)
def test_what_has_to_be_looked_at_by_itself_is_said(kind: type, column: list[Any]) -> None:
    with pytest.raises(OddColumn):
        FORMERS[kind]()(column)


@given(st.lists(st.tuples(TEXTS, VALUES[int], VALUES[float]), min_size=1, max_size=8))
def test_rows_have_the_digests_of_make_hash(rows: list[tuple[Any, ...]]) -> None:
    names = ["{odd} 'name'", "b%s", "žir"]
    kinds = (str, int, float)
    forms = {
        name: FORMERS[kind]()(column) for name, kind, column in zip(names, kinds, zip(*rows, strict=True), strict=True)
    }

    assert row_hasher(names)(forms) == [make_hash(dict(zip(names, row, strict=True))) for row in rows]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        row_hasher(["name"])({"name": FORMERS[str]()(["\ud800"])})
