"""Sketches: close to every quantile, small, and adding up in any order."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.profiling import RELATIVE_ERROR, Sketch
from collectors.toolkit.profiling.sketch import LAST_BUCKET, BadSketch

VALUES = st.lists(st.integers(1, 2**63 - 1) | st.integers(1, 1000) | st.floats(1, 1e18), min_size=1, max_size=200)
SKETCHES = st.dictionaries(st.integers(0, LAST_BUCKET), st.integers(1, 1000), max_size=20).map(Sketch)


def sketch_of(values: list[float]) -> Sketch:
    sketch = Sketch()
    sketch.add(values)
    return sketch


def sum_of(*sketches: Sketch) -> Sketch:
    total = Sketch()
    for sketch in sketches:
        total.merge(sketch)
    return total


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_within_the_stated_error_of_the_value_at_its_place(values: list[float], q: float) -> None:
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    found = sketch_of(values).quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact * (RELATIVE_ERROR + 1e-9)


@given(SKETCHES, SKETCHES, SKETCHES)
def test_sketches_add_up_in_any_order(a: Sketch, b: Sketch, c: Sketch) -> None:
    assert sum_of(a, b) == sum_of(b, a)
    assert sum_of(sum_of(a, b), c) == sum_of(a, sum_of(b, c))
    assert sum_of(a, Sketch()) == a


@given(VALUES, st.integers(0, 200))
def test_parts_make_the_same_sketch_as_the_whole(values: list[float], cut: int) -> None:
    assert sum_of(sketch_of(values[:cut]), sketch_of(values[cut:])) == sketch_of(values)


@given(SKETCHES)
def test_it_survives_json(sketch: Sketch) -> None:
    assert Sketch.from_json(json.loads(json.dumps(sketch.as_json()))) == sketch


def test_without_values_there_is_no_quantile() -> None:
    assert Sketch().quantile(0.5) is None
    assert Sketch().count == 0


def test_what_is_below_one_counts_as_one() -> None:
    sketch = sketch_of([0, 0.5, 1])
    assert sketch.buckets == {0: 3}
    assert sketch.quantile(1) == pytest.approx(1, rel=RELATIVE_ERROR + 1e-9)


def test_the_number_of_buckets_has_a_bound() -> None:
    sketch = sketch_of([1.005**power for power in range(20_000)])
    assert sketch.count == 20_000
    assert len(sketch.buckets) <= LAST_BUCKET + 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "not list"),
        ({"-1": 1}, "no bucket"),
        ({str(LAST_BUCKET + 1): 1}, "no bucket"),
        ({"one": 1}, "no bucket"),
        ({"9" * 5000: 1}, "no bucket"),
        ({"1": 0}, "no count"),
        ({"1": "many"}, "no count"),
        ({"1": True}, "no count"),
        ({"1": 2**70}, "no count"),
    ],
)
def test_what_is_no_sketch_is_refused(value: Any, words: str) -> None:
    with pytest.raises(BadSketch, match=words):
        Sketch.from_json(value)
