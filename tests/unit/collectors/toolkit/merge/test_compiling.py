"""The written hashers give the digests of `make_hash`, whatever comes."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.merge import bulk_hash, canonical, compile_hasher, make_hash

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))
#: Where rows of the golden file write a value that JSON has not.
READ: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "seconds": lambda text: timedelta(seconds=float(text)),
    "uuid": uuid.UUID,
    "bytes": bytes.fromhex,
    "float": float,
}
KINDS: dict[str, type] = {
    "a text": str,
    "a bool": bool,
    "an int": int,
    "a float": float,
    "a decimal": Decimal,
    "a date": date,
    "a moment": datetime,
    "anything": object,
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
spaced = st.text("aZß \t\n\xa0\x1c\x00İ", max_size=12)
moments = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]),
)
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**6), 10**6).map(lambda number: number * 1000),
    st.floats(),
    st.decimals(),
    st.decimals(places=2, min_value=-(10**6), max_value=10**6),
    texts,
    spaced,
    texts.map(lambda text: text * 30),
    st.dates(),
    moments,
    st.lists(texts, max_size=3),
    st.dictionaries(texts, spaced, max_size=3),
)


def read(value: Any) -> Any:
    """A value of the golden file: `{"$decimal": "1.0"}` is Decimal("1.0")."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        kind, text = next(iter(value.items()))
        return READ[kind[1:]](text)
    if isinstance(value, dict):
        return {name: read(item) for name, item in value.items()}
    return [read(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["what"])
def test_digests_are_those_of_the_golden_file(case: dict[str, Any]) -> None:
    """They stand in every table there is: another digest would archive every row of every source once."""
    row = read(case["row"])

    assert canonical(row) == case["canonical"]
    assert make_hash(row) == compile_hasher(list(row))(row) == case["digest"]
    assert compile_hasher({name: type(value) for name, value in row.items()})(row) == case["digest"]


@given(st.fixed_dictionaries(dict.fromkeys(KINDS, anything)))
def test_expected_and_unexpected_values_have_the_same_digest(row: dict[str, Any]) -> None:
    assert compile_hasher(KINDS)(row) == compile_hasher(list(KINDS))(row) == make_hash(row)


@given(
    st.fixed_dictionaries({
        "a text": spaced, "a bool": st.booleans(), "an int": st.integers(), "a float": st.floats(),
        "a decimal": st.decimals(places=3, min_value=-1000, max_value=1000), "a date": st.dates(), "a moment": moments,
        "anything": texts,
    })
)  # fmt: skip
def test_the_fast_road_has_the_same_digest(row: dict[str, Any]) -> None:
    assert compile_hasher(KINDS)(row) == make_hash(row)


def test_more_numbers_than_are_remembered_have_the_right_digests() -> None:
    hasher = compile_hasher({"price": Decimal})
    rows = [{"price": Decimal(cents) / 100} for cents in range(12_000)]

    assert [hasher(row) for row in rows] == bulk_hash(rows)


def test_names_that_look_like_code_are_only_names() -> None:
    row = {"{v0}": 1, "'": "x", '"""': 2, "\\": 3, "ä{": 4, "ä": 5}

    assert compile_hasher(list(row))(row) == make_hash(row)


@given(texts, st.sampled_from(["normalize_case", "no_spacing"]))
def test_options_count(text: str, option: str) -> None:
    row: dict[str, Any] = {"a": text}
    options: dict[str, Any] = {option: False}

    assert compile_hasher(["a"], **options)(row) == make_hash(row, **options) == bulk_hash([row], **options)[0]


def test_case_and_spaces_can_be_made_to_count() -> None:
    assert make_hash({"a": "X y"}) == make_hash({"a": "xY"})
    assert make_hash({"a": "X y"}, normalize_case=False) != make_hash({"a": "xY"}, normalize_case=False)
    assert make_hash({"a": "X y"}, no_spacing=False) != make_hash({"a": "xY"}, no_spacing=False)
    assert make_hash({"a": "\u00e9"}, unicode=None) != make_hash({"a": "e\u0301"}, unicode=None)
    assert make_hash({"a": "ﬁ"}, unicode="NFKC", normalize_case=False) == make_hash({"a": "fi"}, normalize_case=False)


def test_what_the_regex_matches_does_not_count() -> None:
    assert make_hash({"a": "Page 3 (12 ms)"}, regex=r"\(\d+ ms\)") == make_hash({"a": "page3"})
    assert compile_hasher(["a"], regex=r"\d")({"a": "a1b2"}) == make_hash({"a": "ab"})


def test_the_algorithm_is_a_choice() -> None:
    text = canonical({"a": 1}).encode()

    assert make_hash({"a": 1}, algorithm="sha256") == hashlib.sha256(text).hexdigest()
    assert compile_hasher(["a"], algorithm="sha256")({"a": 1}) == hashlib.sha256(text).hexdigest()


def test_keys_can_be_chosen_and_left_out() -> None:
    row = {"a": 1, "b": 2, "c": 3}

    assert make_hash(row, on_keys=["a", "b"]) == make_hash(row, exclude_keys=["c"]) == make_hash({"a": 1, "b": 2})
    assert bulk_hash([row], on_keys=iter("ab"), exclude_keys=["b"]) == [make_hash({"a": 1})]
    with pytest.raises(KeyError):
        make_hash(row, on_keys=["d"])


def test_objects_hash_as_what_they_hold() -> None:
    @dataclass
    class Row:
        a: int
        b: str

    row = {"a": 1, "b": "x"}
    assert make_hash(Row(1, "x")) == make_hash(SimpleNamespace(a=1, b="x", _c=3)) == make_hash(row)
    assert compile_hasher({"a": int, "b": str})(Row(1, "x")) == make_hash(row)


def test_a_text_alone_has_a_digest() -> None:
    assert make_hash("Zagreb ") == make_hash("zagreb") != make_hash({"a": "zagreb"})


@pytest.mark.parametrize("kinds", [{"a": str}, {"a": None}])
def test_a_lone_surrogate_is_refused_or_replaced(kinds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        compile_hasher(kinds)({"a": "x\ud800"})

    replaced = make_hash({"a": "x\ufffd"})
    assert make_hash({"a": "x\ud800"}, surrogates="replace") == replaced
    assert compile_hasher(kinds, surrogates="replace")({"a": "x\udfff"}) == replaced


def test_a_compiled_hasher_refuses_what_make_hash_refuses() -> None:
    hasher = compile_hasher({"a": datetime})
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        hasher({"a": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))})
    with pytest.raises(TypeError, match="type object has no canonical form"):
        hasher({"a": object()})
    with pytest.raises(KeyError):
        hasher({})
