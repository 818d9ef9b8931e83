"""The three base classes drive the same hooks to the same end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from collectors.contract import Ending, Outcome
from collectors.toolkit.errors import BadRow, Blocker, ParseError, RetryLater, SkipItem, StopRun
from collectors.toolkit.scraping import AbortRule, AsyncScraper, BaseScraper, ThreadedScraper
from collectors.toolkit.testing import MemoryContext, make_context


class Thing:
    """What the testing kit needs to know of a model."""

    natural_key = ("number",)


class Script:
    """A source that does to each item what `plan` says: an exception is raised, all else is collected."""

    model: ClassVar[type | None] = Thing
    plan: dict[int, Exception]
    size: int
    tidied: int

    def prepare(self, context: MemoryContext, size: int, plan: dict[int, Exception] | None = None) -> Any:
        self.plan, self.size, self.tidied = plan or {}, size, 0
        return self

    def prepare_list(self) -> Iterable[int]:
        return range(self.size)

    def rows_of(self, item: int) -> list[dict[str, int]]:
        if item in self.plan:
            raise self.plan[item]
        return [{"number": item}]

    def cleanup(self) -> None:
        self.tidied += 1


class OneByOne(Script, BaseScraper):
    def collect(self, item: int) -> Iterator[dict[str, int]]:
        yield from self.rows_of(item)


class InThreads(Script, ThreadedScraper):
    workers = 3

    def collect(self, item: int) -> list[dict[str, int]]:
        return self.rows_of(item)


class InALoop(Script, AsyncScraper):
    concurrency = 3

    async def collect(self, item: int) -> list[dict[str, int]]:
        await asyncio.sleep(0)
        return self.rows_of(item)


ALL = pytest.mark.parametrize("kind", [OneByOne, InThreads, InALoop])


def scraper(kind: type[Any], context: MemoryContext, size: int, plan: dict[int, Exception] | None = None) -> Any:
    return kind(context).prepare(context, size, plan)


def stored(context: MemoryContext) -> list[int]:
    return sorted(row["number"] for row in context.records.rows(Thing))


@ALL
def test_it_collects_everything_and_stores_it_once(kind: type[Any]) -> None:
    context = make_context()
    source = scraper(kind, context, 25)
    outcome = source.run()
    assert (outcome.ending, outcome.complete, outcome.cause) == (Ending.SUCCEEDED, True, "")
    assert stored(context) == list(range(25))
    assert (context.progress.size, context.progress.solved, context.progress.failed) == (25, 25, 0)
    assert source.tidied == 1


@ALL
def test_an_item_that_fails_fails_alone_and_makes_the_run_incomplete(kind: type[Any]) -> None:
    context = make_context()
    outcome = scraper(kind, context, 25, {3: ParseError("no price"), 7: ValueError("odd")}).run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert "2 of 25 items failed" in outcome.cause
    assert stored(context) == [n for n in range(25) if n not in (3, 7)]
    assert {entry.values["category"] for entry in context.log.entries if entry.event == "item.failed"} == {
        "parse",
        "unknown",
    }


@ALL
def test_a_skipped_item_is_no_failure(kind: type[Any]) -> None:
    context = make_context()
    outcome = scraper(kind, context, 5, {2: SkipItem("sold out")}).run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, True)
    assert stored(context) == [0, 1, 3, 4]
    assert context.progress.failed == 0


@ALL
def test_a_run_in_which_nothing_worked_has_failed(kind: type[Any]) -> None:
    context = make_context()
    outcome = scraper(kind, context, 2, {n: ParseError("no price") for n in range(2)}).run()
    assert outcome.ending is Ending.FAILED
    assert outcome.cause == "None of 2 items could be collected. The last error: no price"
    assert stored(context) == []


@ALL
def test_it_gives_up_after_failures_in_a_row_and_keeps_what_it_has(kind: type[Any]) -> None:
    context = make_context()
    source = scraper(kind, context, 400, {n: ParseError("no price") for n in range(100, 400)})
    outcome = source.run()
    assert (outcome.ending, outcome.complete) == (Ending.FAILED, False)
    assert "failures in a row" in outcome.cause
    assert set(stored(context)) <= set(range(100))
    assert context.progress.failed < 300
    assert source.tidied == 1


@ALL
def test_it_gives_up_when_too_large_a_share_fails(kind: type[Any]) -> None:
    context = make_context()
    outcome = scraper(kind, context, 100, {n: ParseError("no price") for n in range(0, 100, 3)}).run()
    assert outcome.ending is Ending.FAILED
    assert "items failed" in outcome.cause


def test_a_rule_of_zero_is_switched_off() -> None:
    class Patient(OneByOne):
        abort_rule = AbortRule(consecutive=0, percent=0)

    context = make_context()
    outcome = scraper(Patient, context, 30, {n: ParseError("no") for n in range(29)}).run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)


@ALL
def test_stop_run_ends_early_and_is_not_a_fault(kind: type[Any]) -> None:
    context = make_context()
    outcome = scraper(kind, context, 50, {10: StopRun("nothing new below")}).run()
    assert (outcome.ending, outcome.complete, outcome.cause) == (Ending.SUCCEEDED, False, "nothing new below")
    assert set(range(5)) <= set(stored(context))


@ALL
@pytest.mark.parametrize("error", [Blocker("log in first"), RetryLater("closed at night"), BadRow("row 1")])
def test_errors_that_end_a_run_leave_it_with_nothing_stored(kind: type[Any], error: Exception) -> None:
    context = make_context()
    source = scraper(kind, context, 50, {10: error})
    with pytest.raises(type(error), match=str(error)):
        source.run()
    assert stored(context) == []
    assert source.tidied == 1


@ALL
def test_a_limited_run_collects_no_more_and_is_incomplete(kind: type[Any]) -> None:
    context = make_context(limit=4)
    outcome = scraper(kind, context, 50).run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert stored(context) == [0, 1, 2, 3]
    assert context.progress.size == 4


@ALL
def test_asked_to_stop_it_keeps_what_it_has(kind: type[Any]) -> None:
    context = make_context()

    class Stopping(kind):  # type: ignore[misc]
        def prepare_list(self) -> Iterator[int]:
            for number in range(1000):
                if number == 20:
                    context.stop.set()
                yield number

    outcome = scraper(Stopping, context, 1000).run()
    assert (outcome.ending, outcome.complete) == (Ending.STOPPED, False)
    assert 10 <= len(stored(context)) <= 20


def test_a_list_that_cannot_be_had_ends_the_run_and_tidies_up() -> None:
    class NoList(OneByOne):
        def prepare_list(self) -> Iterable[int]:
            raise ParseError("the index has no entries")

    source = scraper(NoList, make_context(), 0)
    with pytest.raises(ParseError):
        source.run()
    assert source.tidied == 1


def test_an_error_in_cleanup_is_logged_and_does_not_cost_the_run() -> None:
    class Untidy(OneByOne):
        def cleanup(self) -> None:
            raise OSError("cannot close")

    context = make_context()
    assert scraper(Untidy, context, 3).run().ending is Ending.SUCCEEDED
    assert "cleanup.failed" in [entry.event for entry in context.log.entries]
    assert stored(context) == [0, 1, 2]


@ALL
def test_a_scraper_says_when_it_is_to_run_next_knowing_how_it_went(kind: type[Any]) -> None:
    later = datetime(2030, 1, 1, tzinfo=UTC)

    class Next(kind):  # type: ignore[misc]
        def set_next_run(self, outcome: Outcome) -> datetime | None:
            return later if outcome.complete else None

    assert scraper(Next, make_context(), 3).run().next_run == later
    assert scraper(Next, make_context(), 3, {1: ParseError("gone")}).run().next_run is None
    assert scraper(kind, make_context(), 3).run().next_run is None


def test_an_error_in_the_choice_of_the_next_run_is_logged_and_does_not_cost_the_run() -> None:
    class Broken(OneByOne):
        def set_next_run(self, outcome: Outcome) -> datetime | None:
            raise RuntimeError("no idea")

    context = make_context()
    outcome = scraper(Broken, context, 2).run()
    assert (outcome.ending, outcome.next_run) == (Ending.SUCCEEDED, None)
    assert stored(context) == [0, 1]
    assert "set_next_run.failed" in [entry.event for entry in context.log.entries]


def test_a_row_without_a_model_is_a_clear_error() -> None:
    class Homeless(OneByOne):
        model = None

    with pytest.raises(BadRow, match=r"Row 1 is a dict, and Homeless does not say which model"):
        scraper(Homeless, make_context(), 1).run()


def test_threads_work_side_by_side_and_feeding_is_bounded() -> None:
    gate, taken, together = threading.Barrier(3, timeout=5), [], set()

    class Meeting(InThreads):
        def prepare_list(self) -> Iterator[int]:
            for number in range(30):
                taken.append(number)
                yield number

        def collect(self, item: int) -> list[dict[str, int]]:
            if item < 3:
                assert len(taken) <= 2 * self.workers + 1
                gate.wait()
                together.add(threading.current_thread().name)
            return [{"number": item}]

    context = make_context()
    assert scraper(Meeting, context, 30).run().complete
    assert len(together) == 3
    assert stored(context) == list(range(30))


def test_the_loop_keeps_as_many_items_under_way_as_it_was_told() -> None:
    under_way: list[int] = [0]
    most: list[int] = [0]
    all_there = asyncio.Event()

    class Crowded(InALoop):
        concurrency = 10

        async def collect(self, item: int) -> list[dict[str, int]]:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            if most[0] == self.concurrency:
                all_there.set()
            await asyncio.wait_for(all_there.wait(), 10)
            # Were there an eleventh, it would come now.
            await asyncio.sleep(0)
            under_way[0] -= 1
            return [{"number": item}]

    context = make_context()
    assert scraper(Crowded, context, 40).run().complete
    assert most[0] == 10
    assert stored(context) == list(range(40))


@pytest.mark.parametrize("kind", [BaseScraper, ThreadedScraper, AsyncScraper])
def test_a_class_without_hooks_says_what_it_lacks(kind: type[Any]) -> None:
    with pytest.raises(NotImplementedError, match="needs a prepare_list method"):
        kind(make_context()).run()
