from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import MergeResult
from collectors.toolkit.merge import ConflictingRows, MergePlan, Stored, plan_merge

keys = st.integers(0, 8)
shas = st.sampled_from("abc")
#: What a site shows: one version for each key, each maybe several times.
snapshots = st.dictionaries(keys, shas)


@dataclass
class Table:
    """The current rows, changed by plans as a database would be."""

    current: dict[tuple[Any, ...], Stored] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def merge(self, rows: list[tuple[int, str]], *, archive_missing: bool = True) -> MergePlan[tuple[int, str]]:
        plan = plan_merge(
            [((key,), sha, (key, sha)) for key, sha in rows], self.current, archive_missing=archive_missing
        )
        gone = set(plan.archive)
        self.current = {key: row for key, row in self.current.items() if row.pk not in gone}
        for (key, _), sha in plan.insert:
            assert (key,) not in self.current, "two current rows with one key"
            self.current[(key,)] = Stored(next(self.numbers), sha)
        return plan

    @property
    def content(self) -> dict[int, str]:
        return {key[0]: row.sha for key, row in self.current.items()}


def test_new_changed_gone_and_unchanged_rows() -> None:
    table = Table()
    table.merge([(1, "a"), (2, "a"), (3, "a")])

    plan = table.merge([(1, "a"), (2, "b"), (4, "a")])

    assert plan.result == MergeResult(seen=3, inserted=2, archived=2, unchanged=1)
    assert table.content == {1: "a", 2: "b", 4: "a"}


@given(snapshots, snapshots)
def test_after_a_merge_the_table_is_what_was_seen(before: dict[int, str], after: dict[int, str]) -> None:
    table = Table()
    table.merge(list(before.items()))

    table.merge(list(after.items()))

    assert table.content == after


@given(snapshots, snapshots)
def test_a_second_merge_of_the_same_changes_nothing(before: dict[int, str], after: dict[int, str]) -> None:
    table = Table()
    table.merge(list(before.items()))
    table.merge(list(after.items()))

    plan = table.merge(list(after.items()))

    assert (plan.insert, plan.archive) == ([], [])
    assert plan.result == MergeResult(seen=len(after), unchanged=len(after))


@given(snapshots, snapshots, st.data())
def test_the_order_of_rows_and_repeated_ones_do_not_matter(
    before: dict[int, str], after: dict[int, str], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(sorted(after.items())))) if after else []
    shuffled = data.draw(st.permutations([*after.items(), *repeated]))
    one, two = Table(), Table()
    one.merge(list(before.items()))
    two.merge(list(before.items()))

    straight, crooked = one.merge(list(after.items())), two.merge(shuffled)

    assert one.content == two.content
    assert set(straight.archive) == set(crooked.archive)
    assert crooked.result == MergeResult(
        seen=straight.seen + len(repeated),
        inserted=straight.result.inserted,
        archived=straight.result.archived,
        unchanged=straight.unchanged,
        duplicates=len(repeated),
    )


@given(snapshots, snapshots)
def test_the_numbers_add_up(before: dict[int, str], after: dict[int, str]) -> None:
    table = Table()
    table.merge(list(before.items()))

    result = table.merge(list(after.items()) * 2).result

    assert result.seen == result.inserted + result.unchanged + result.duplicates
    assert len(after) == len(before) + result.inserted - result.archived


@given(snapshots, snapshots)
def test_without_archiving_nothing_that_was_missed_is_lost(before: dict[int, str], after: dict[int, str]) -> None:
    table = Table()
    table.merge(list(before.items()))

    table.merge(list(after.items()), archive_missing=False)

    assert table.content == {**before, **after}


def test_one_key_with_two_contents_is_a_conflict() -> None:
    with pytest.raises(ConflictingRows) as caught:
        Table().merge([(1, "a"), (2, "a"), (1, "b"), (1, "c"), (2, "a")])

    assert caught.value.keys == [(1,)]
