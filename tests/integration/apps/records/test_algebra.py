"""What holds for every merge of whatever rows, on the database itself, held against a dict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.apps.records.tables import City, city, current, made, store

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

#: name -> people; the table of one country.
snapshots = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from([None, 0, 1, 2]))
steps = st.lists(st.tuples(snapshots, st.sampled_from(["archive", "keep", "delete"]), st.booleans()), max_size=4)


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with made(City):
        yield


def content() -> dict[str, Any]:
    return {name: row.people for (_, name), row in current().items()}  # type: ignore[attr-defined]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.randoms(use_true_random=False))
def test_any_sequence_of_merges_leaves_what_a_dict_would_hold(steps: list[Any], random: Any) -> None:
    City.objects.all().delete()
    expected: dict[str, Any] = {}
    for snapshot, missing, twice in steps:
        rows = [city(name, people) for name, people in snapshot.items()] * (1 + twice)
        random.shuffle(rows)
        if not snapshot and expected and missing != "keep":
            continue  # refused, as other tests show
        before = dict(expected)

        result = store().merge(City, iter(rows) if twice else rows, missing=missing)

        expected = {**before, **snapshot} if missing == "keep" else dict(snapshot)
        assert content() == expected
        same = [name for name in snapshot if name in before and before[name] == snapshot[name]]
        gone = [] if missing == "keep" else [name for name in before if name not in snapshot]
        assert (result.seen, result.duplicates) == (len(rows), len(snapshot) if twice else 0)
        assert (result.unchanged, result.inserted) == (len(same), len(snapshot) - len(same))
        assert result.changed == len([name for name in snapshot if name in before]) - len(same)
        assert result.archived + result.deleted == result.changed + len(gone)
        assert store().merge(City, rows, missing="keep").unchanged == len(snapshot)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(snapshots, st.integers(0, 5), st.booleans())
def test_a_snapshot_may_come_in_parts(snapshot: dict[str, Any], split: int, backwards: bool) -> None:
    City.objects.all().delete()
    rows = [city(name, people) for name, people in snapshot.items()]
    parts = [rows[:split], rows[split:]]

    for part in reversed(parts) if backwards else parts:
        store().merge(City, part, missing="keep")

    assert content() == snapshot
    assert City.objects.count() == len(snapshot)
