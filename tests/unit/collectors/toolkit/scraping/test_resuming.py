"""A list outlives the run that works on it; every item is collected, and none is lost between two runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import Ending
from collectors.toolkit.errors import ParseError, RetryLater, StopRun
from collectors.toolkit.scraping import AbortRule, AsyncScraper, BaseScraper, ThreadedScraper
from collectors.toolkit.scraping.items import BadItem, ItemTexts
from collectors.toolkit.scraping.rules import Rules
from collectors.toolkit.testing import MemoryContext, MemoryQueues, MemoryRecords, make_context


class Thing:
    natural_key = ("number",)


class Killed(BaseException):
    """Stands for kill -9: nothing is done any more."""


class Script:
    """`collect` raises what `plan` says of an item."""

    model: ClassVar[type | None] = Thing
    resume: ClassVar[bool] = True
    store_every: ClassVar[int | None] = 3
    abort_rule: ClassVar[Rules] = AbortRule(consecutive=0, percent=0)
    size = 20

    def __init__(self, context: MemoryContext, plan: dict[int, BaseException] | None = None) -> None:
        super().__init__(context)  # type: ignore[call-arg]
        self.plan = plan or {}
        self.listed = 0
        self.collected: list[int] = []

    def prepare_list(self) -> Iterator[int]:
        self.listed += 1
        yield from range(self.size)

    def rows_of(self, item: int) -> list[dict[str, int]]:
        if item in self.plan:
            raise self.plan[item]
        self.collected.append(item)
        return [{"number": item}]


class OneByOne(Script, BaseScraper):
    def collect(self, item: int) -> list[dict[str, int]]:
        return self.rows_of(item)


class InThreads(Script, ThreadedScraper):
    workers = 2

    def collect(self, item: int) -> list[dict[str, int]]:
        return self.rows_of(item)


class InALoop(Script, AsyncScraper):
    concurrency = 2

    async def collect(self, item: int) -> list[dict[str, int]]:
        await asyncio.sleep(0)
        return self.rows_of(item)


ALL = pytest.mark.parametrize("kind", [OneByOne, InThreads, InALoop])


class App:
    """An app whose runs follow each other."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind, self.queues, self.records = kind, MemoryQueues(), MemoryRecords()

    def next(self, plan: dict[int, BaseException] | None = None, **about: Any) -> Any:
        """A source that is about to run."""
        return self.kind(make_context(queues=self.queues, records=self.records, **about), plan)

    @property
    def stored(self) -> list[int]:
        return sorted(row["number"] for row in self.records.rows(Thing))


@ALL
def test_a_killed_run_is_gone_on_with_and_the_whole_is_complete(kind: type[Any]) -> None:
    app = App(kind)
    app.records.merge(Thing, [{"number": 99}, {"number": 2}])
    killed = app.next({12: Killed()})
    with pytest.raises(Killed):
        killed.run()
    before = app.stored
    assert 99 in before
    assert len(before) >= 8

    source = app.next()
    outcome = source.run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, True)
    assert app.stored == list(range(20))  # and 99 is history: neither of the two saw it
    assert source.listed == 0
    assert set(source.collected).isdisjoint(set(before) - {2, 99})
    (line,) = [entry for entry in source.context.log.entries if entry.event == "queue.continued"]
    assert line.values["size"] == 20
    assert line.values["left"] == len(source.collected) == source.context.progress.size


@ALL
def test_when_the_list_is_done_the_next_run_makes_a_new_one(kind: type[Any]) -> None:
    app = App(kind)
    assert app.next().run().complete
    again = app.next()
    assert again.run().complete
    assert (again.listed, len(again.collected)) == (1, 20)


def test_a_stopped_run_leaves_the_rest_to_the_next_one() -> None:
    app = App(OneByOne)
    source = app.next()

    def collect(item: int) -> list[dict[str, int]]:
        if item == 7:
            source.context.stop.set()
        return list(source.rows_of(item))

    source.collect = collect
    assert source.run().ending is Ending.STOPPED
    assert app.stored == list(range(8))
    assert app.next().run().complete
    assert app.stored == list(range(20))


def test_a_run_that_gave_up_leaves_the_rest_to_the_next_one() -> None:
    class Strict(OneByOne):
        abort_rule = AbortRule(consecutive=2, percent=0)

    app = App(Strict)
    assert app.next({n: ParseError("no price") for n in range(5, 20)}).run().ending is Ending.FAILED
    assert app.stored == list(range(5))
    later = app.next()
    assert later.run().complete
    assert later.collected == list(range(5, 20))


def test_an_item_that_failed_is_tried_by_the_next_runs_and_given_up_after_the_third() -> None:
    class Careful(OneByOne):
        store_every = 1

    app = App(Careful)
    for _ in range(3):
        with pytest.raises(Killed):
            app.next({4: ParseError("no price"), 19: Killed()}).run()
    last = app.next()
    outcome = last.run()
    assert last.collected == [19]
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert outcome.cause == "1 of 20 items failed, so no missing row was archived."
    assert app.stored == [n for n in range(20) if n != 4]
    assert app.next().run().complete, "the next list is a new one"


def test_an_item_that_fails_while_the_run_is_stopped_has_lost_no_attempt() -> None:
    app = App(OneByOne)
    source = app.next()

    def collect(item: int) -> list[dict[str, int]]:
        source.context.stop.set()
        raise ParseError("the request was cut off")

    source.collect = collect
    source.run()
    (queue,) = app.queues.queues.values()
    assert queue.failures == {}


def test_stop_run_says_that_the_list_is_done() -> None:
    app = App(OneByOne)
    assert app.next({5: StopRun("nothing new below")}).run().ending is Ending.SUCCEEDED
    assert app.next().run().complete
    assert app.stored == list(range(20))


def test_a_list_that_was_cut_off_is_made_anew_and_nothing_is_in_it_twice() -> None:
    class Fragile(OneByOne):
        breaks = True

        def prepare_list(self) -> Iterator[int]:
            for number in range(1200):
                if number == 1100 and self.breaks:
                    raise ParseError("the index broke off")
                yield number % 1150

    app = App(Fragile)
    with pytest.raises(ParseError):
        app.next().run()
    Fragile.breaks = False
    source = app.next()
    assert source.run().complete
    assert sorted(source.collected) == list(range(1150))


def test_other_arguments_are_another_list() -> None:
    app = App(OneByOne)
    with pytest.raises(Killed):
        app.next({3: Killed()}, args={"page": 1}).run()
    other = app.next(args={"page": 2})
    assert other.run().complete
    assert other.listed == 1


@pytest.mark.parametrize("trial", [{"limit": 5}, {"dry_run": True}])
def test_a_trial_leaves_the_list_alone(trial: dict[str, Any]) -> None:
    app = App(OneByOne)
    with pytest.raises(Killed):
        app.next({10: Killed()}).run()
    (queue,) = app.queues.queues.values()
    left = queue.counts().left
    source = app.next(**trial)
    source.run()
    assert source.collected[0] == 0
    assert queue.counts().left == left


def test_two_runs_never_share_a_list() -> None:
    app = App(OneByOne)
    app.queues.is_busy = True
    with pytest.raises(RetryLater, match="Another run"):
        app.next().run()


@dataclass(frozen=True)
class Page:
    url: str
    number: int


@pytest.mark.parametrize(
    ("kind", "item"),
    [(None, "a"), (None, {"url": "ä", "pages": [1, None]}), (Page, Page("a", 1)), (tuple[str, int], ("a", 1))],
)
def test_items_come_back_as_they_were(kind: Any, item: Any) -> None:
    texts = ItemTexts(kind)
    assert texts.read(texts.write(item)) == item


@pytest.mark.parametrize("item", [("a", 1), Page("a", 1), {1: "a"}, object()])
def test_an_item_that_would_not_come_back_is_refused_with_a_sentence(item: Any) -> None:
    with pytest.raises(BadItem, match=r"^The item .*(item_type|cannot be kept)"):
        ItemTexts().write(item)


def test_an_item_that_the_source_reads_no_more_fails_and_says_what_to_do() -> None:
    with pytest.raises(BadItem, match="remove its queue"):
        ItemTexts(Page).read('{"address": 1}')


@given(st.lists(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["fail", "kill"])), max_size=3), max_size=4))
@settings(max_examples=40, deadline=None)
def test_whatever_befalls_the_runs_each_item_is_stored_or_given_up(fates: list[list[tuple[int, str]]]) -> None:
    class Short(OneByOne):
        size = 12
        item_attempts = 100

    app = App(Short)
    app.records.merge(Thing, [{"number": 99}, {"number": 98}])
    for fate in fates:
        plan: dict[int, BaseException] = {n: Killed() if how == "kill" else ParseError("x") for n, how in fate}
        try:
            outcome = app.next(plan).run()
        except Killed:
            continue
        if outcome.complete:
            assert app.stored == list(range(12))
        else:
            assert {98, 99} <= set(app.stored) or 98 in {row["number"] for row in app.records.history(Thing)}
    while not app.next().run().complete:
        pass
    assert app.stored == list(range(12))
    assert {row["number"] for row in app.records.history(Thing)} >= {98, 99}
