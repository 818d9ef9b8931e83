from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.merge import changed_fields, obj_diff

ZAGREB = {"country": "hr", "name": "Zagreb", "people": 767131}
SPLIT = {"country": "hr", "name": "Split", "people": 160577}

collections = st.dictionaries(st.integers(0, 6), st.sampled_from(["a", "b", None]))


def rows(collection: dict[int, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in collection.items()]


def test_what_came_went_changed_and_stayed() -> None:
    found = obj_diff([ZAGREB | {"people": 1}, {"name": "Pula"}], [ZAGREB, SPLIT], "name")

    assert found.added == {"Pula": {"name": "Pula"}}
    assert found.removed == {"Split": SPLIT}
    assert found.changed == {"Zagreb": {"people": (767131, 1)}}
    assert found.same == []


def test_values_are_compared_as_the_hash_does() -> None:
    found = obj_diff([{"name": "x", "at": "ZAGREB "}], [{"name": "x", "at": "Zagreb"}], "name")

    assert not found
    assert found.same == ["x"]


def test_keys_of_several_fields_and_functions_and_objects() -> None:
    assert obj_diff([ZAGREB], [], ("country", "name")).added.keys() == {("hr", "Zagreb")}
    assert obj_diff([SimpleNamespace(**ZAGREB)], [ZAGREB], lambda row: "one").same == ["one"]


def test_a_field_that_is_missing_is_told_from_none() -> None:
    assert changed_fields({"a": None}, {}) == {"a": (None, "(missing)")}


def test_a_key_that_appears_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'Split' appears twice"):
        obj_diff([SPLIT, SPLIT], [], "name")


@given(collections, collections)
def test_applying_a_diff_gives_the_new_collection(new: dict[int, Any], existing: dict[int, Any]) -> None:
    found = obj_diff(rows(new), rows(existing), "key")

    kept: dict[Any, Any] = {key: value for key, value in existing.items() if key not in found.removed}
    changed: dict[Any, Any] = {key: changes["value"][1] for key, changes in found.changed.items()}
    added: dict[Any, Any] = {key: row["value"] for key, row in found.added.items()}
    assert {**kept, **changed, **added} == new
    assert all(existing[key] != new[key] for key in existing if key in found.changed)
