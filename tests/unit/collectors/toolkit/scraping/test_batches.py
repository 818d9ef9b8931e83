"""Rows in batches: nothing is archived but by the last step of a complete run, and the memory stays flat."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import Ending
from collectors.toolkit.errors import ParseError, RetryLater, StorageError
from collectors.toolkit.merge import Group, takings
from collectors.toolkit.scraping import AbortRule, AsyncScraper, BaseScraper, ThreadedScraper
from collectors.toolkit.scraping.rules import Rules
from collectors.toolkit.testing import MemoryContext, MemoryRecords, make_context


class Thing:
    natural_key = ("number",)
    scope_fields = ("shop",)


class Script:
    model: ClassVar[type | None] = Thing
    store_every: ClassVar[int | None] = 4
    abort_rule: ClassVar[Rules] = AbortRule(consecutive=0, percent=0)
    size = 10
    fails: tuple[int, ...] = ()

    def __init__(self, context: MemoryContext) -> None:
        super().__init__(context)  # type: ignore[call-arg]
        self.batches: list[int] = []

    def prepare_list(self) -> Iterator[int]:
        yield from range(self.size)

    def rows_of(self, item: int) -> list[dict[str, Any]]:
        if item in self.fails:
            raise ParseError("no price")
        return [{"number": item, "shop": item % 2}]

    def store(self, rows: list[Any]) -> None:
        self.batches.append(len(rows))
        super().store(rows)  # type: ignore[misc]


class OneByOne(Script, BaseScraper):
    def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


class InThreads(Script, ThreadedScraper):
    workers = 2

    def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


class InALoop(Script, AsyncScraper):
    async def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


ALL = pytest.mark.parametrize("kind", [OneByOne, InThreads, InALoop])


def stored(context: MemoryContext) -> list[int]:
    return sorted(row["number"] for row in context.records.rows(Thing))


def with_rows(numbers: range) -> MemoryRecords:
    records = MemoryRecords()
    records.merge(Thing, [{"number": number, "shop": number % 2} for number in numbers])
    return records


@ALL
def test_batches_are_stored_as_they_fill_and_the_end_archives_what_none_saw(kind: type[Any]) -> None:
    context = make_context(records=with_rows(range(5, 30)))
    source = kind(context)
    assert source.run().complete
    assert sum(source.batches) == 10
    assert len(source.batches) >= 2
    assert stored(context) == list(range(10))
    assert len(context.records.history(Thing)) == 20


@ALL
def test_an_incomplete_run_archives_nothing_whatever_its_batches_saw(kind: type[Any]) -> None:
    class Failing(kind):  # type: ignore[misc]
        fails = (9,)

    context = make_context(records=with_rows(range(5, 30)))
    assert not Failing(context).run().complete
    assert stored(context) == list(range(30))


def test_neither_does_a_limited_one() -> None:
    context = make_context(records=with_rows(range(30)), limit=9)
    assert not OneByOne(context).run().complete
    assert stored(context) == list(range(30))


def test_a_run_that_ends_in_an_error_keeps_the_batches_that_were_stored() -> None:
    class Closing(OneByOne):
        def rows_of(self, item: int) -> list[dict[str, Any]]:
            if item == 9:
                raise RetryLater("closed at night")
            return super().rows_of(item)

    context = make_context(records=with_rows(range(20, 30)))
    with pytest.raises(RetryLater):
        Closing(context).run()
    assert stored(context) == [*range(8), *range(20, 30)]


def test_the_later_of_two_contents_of_a_key_counts_and_its_row_is_no_missing_one() -> None:
    class Twice(OneByOne):
        def rows_of(self, item: int) -> list[dict[str, Any]]:
            return [{"number": item % 6, "shop": item}]

    context = make_context()
    assert Twice(context).run().complete
    assert {row["number"]: row["shop"] for row in context.records.rows(Thing)} == {0: 6, 1: 7, 2: 8, 3: 9, 4: 4, 5: 5}


def test_without_one_row_the_end_refuses_to_archive_everything() -> None:
    class Empty(OneByOne):
        size = 0

    context = make_context(records=with_rows(range(3)))
    with pytest.raises(StorageError, match="brought no rows while 3 are current"):
        Empty(context).run()
    assert stored(context) == [0, 1, 2]


def test_an_author_who_merges_by_scope_sweeps_these_scopes_alone() -> None:
    class OddOnes(OneByOne):
        def store(self, rows: list[Any]) -> None:
            rows = [row for row in rows if row["shop"] == 1]
            self.context.records.merge(Thing, rows, scope={"shop": 1}, complete=self.is_complete)

    context = make_context(records=with_rows(range(5, 30)))
    assert OddOnes(context).run().complete
    assert stored(context) == sorted({1, 3, 5, 7, 9} | set(range(6, 30, 2)))


def test_a_batch_that_cannot_be_stored_ends_the_run() -> None:
    class NoDisk(InALoop):
        def store(self, rows: list[Any]) -> None:
            raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="disk is full"):
        NoDisk(make_context()).run()


def test_a_loop_goes_on_while_a_batch_is_stored_and_loses_nothing() -> None:
    """The first batch is stored only when items beyond it were collected."""
    went_on = threading.Event()

    class Slow(InALoop):
        size = 40
        concurrency = 3

        async def collect(self, item: int) -> list[dict[str, Any]]:
            if item >= 5:
                went_on.set()
            return self.rows_of(item)

        def store(self, rows: list[Any]) -> None:
            assert went_on.wait(30)
            super().store(rows)

    context = make_context()
    assert Slow(context).run().complete
    assert stored(context) == list(range(40))


@ALL
def test_no_batch_is_larger_than_it_has_to_be(kind: type[Any]) -> None:
    class Long(kind):  # type: ignore[misc]
        size = 500

    source = Long(make_context())
    assert source.run().ending is Ending.SUCCEEDED
    assert max(source.batches) <= 4 + 2 * 10


scopes = st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), max_size=2)
groups = st.builds(
    Group, st.sampled_from(["x", "y"]), st.just(""), scopes, st.sampled_from(["archive", "keep"]), st.booleans()
)


@given(st.lists(groups, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_scope_is_swept_only_where_all_that_reaches_into_it_was_complete(found: list[Group]) -> None:
    texts = {group.text() for group in found}
    swept = list(takings(texts))
    for group, beside in swept:
        assert group.missing == "archive"
        assert group.text() in beside
        assert {text for text in texts if Group.read(text).overlaps(group)} == set(beside)
        assert all(Group.read(text).complete for text in beside)
    left = texts - {group.text() for group, _ in swept}
    for text in left:
        group = Group.read(text)
        assert group.missing == "keep" or any(not o.complete for o in found if o.overlaps(group))
