"""`@fun_watch`: what is counted, and that nothing else changes."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import lru_cache
from typing import Any, Protocol

import pytest

from collectors.toolkit.errors import RetryLater, SkipItem, StopRun
from collectors.toolkit.profiling import (
    Increment,
    Sketch,
    Tracker,
    call_chain,
    fun_watch,
    mark_failed,
    mark_size,
    mark_solved,
)
from collectors.toolkit.profiling.context import CURRENT


class Watching(Protocol):
    def __call__(self, **options: Any) -> Callable[[Any], Any]: ...


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture
def watch(tracker: Tracker) -> Watching:
    """`fun_watch` on a tracker of the test's own."""
    return lambda **options: fun_watch(tracker=tracker, **options)


class Stopwatch:
    """`with watch:` is one lap, in nanoseconds. What a busy machine adds is in every lap around it, too."""

    def __init__(self) -> None:
        self.laps: list[int] = []

    def __enter__(self) -> None:
        self.begun = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self.laps.append(time.perf_counter_ns() - self.begun)


def name_of(increment: Increment) -> str:
    return increment["qualname"].rpartition("<locals>.")[2]


def drained(tracker: Tracker) -> dict[str, Increment]:
    """The increments by the name of their function, which have one caller each."""
    increments = tracker.drain()
    found = {name_of(increment): increment for increment in increments}
    assert len(found) == len(increments)
    return found


def calls_by_edge(tracker: Tracker) -> dict[tuple[str, str], int]:
    edges: Counter[tuple[str, str]] = Counter()
    for increment in tracker.drain():
        parent = increment["parent"]
        edges[parent[1].rpartition("<locals>.")[2] if parent else "", name_of(increment)] += increment["calls"]
    return dict(edges)


# -- What is counted ---------------------------------------------------------------------------------------------------


def test_calls_are_counted_and_timed(tracker: Tracker, watch: Watching) -> None:
    inside, outside = Stopwatch(), Stopwatch()

    @watch()
    def nap(seconds: float) -> float:
        with inside:
            time.sleep(seconds)
        return seconds

    before = time.time()
    with outside:
        assert nap(0.01) == 0.01
    with outside:
        assert nap(seconds=0.03) == 0.03
    after = time.time()

    one = drained(tracker)["nap"]
    assert (one["calls"], one["errors"], one["last_error"], one["parent"]) == (2, 0, "", None)
    assert one["min_ns"] is not None
    assert one["max_ns"] is not None
    assert one["last_end"] is not None
    assert 10e6 <= min(inside.laps) <= one["min_ns"] <= min(outside.laps)
    assert 30e6 <= max(inside.laps) <= one["max_ns"] <= max(outside.laps)
    assert one["total_ns"] == one["min_ns"] + one["max_ns"]
    # The wall clock and the clock of durations agree to the millisecond, not to the microsecond.
    assert before - 0.01 <= one["first_start"] < one["last_end"] <= after + 0.01
    assert one["last_end"] - one["first_start"] >= 0.04
    sketch = Sketch.from_json(one["sketch"])
    assert sketch.count == 2
    assert sketch.quantile(0.0) == pytest.approx(one["min_ns"], rel=0.021)


def test_a_function_is_its_module_and_qualified_name(tracker: Tracker, watch: Watching) -> None:
    class Cat:
        @watch()
        def feed(self) -> None: ...

    class Dog:
        @watch()
        def feed(self) -> None: ...

    Cat().feed()
    Dog().feed()
    increments = tracker.drain()
    assert {one["qualname"].rpartition("<locals>.")[2] for one in increments} == {"Cat.feed", "Dog.feed"}
    assert {one["module"] for one in increments} == {__name__}


def test_the_file_is_named_the_same_on_every_machine() -> None:
    from collectors.toolkit.merge import make_hash

    tracker = Tracker()
    fun_watch(tracker=tracker)(make_hash)({"a": 1})
    assert tracker.drain()[0]["file"] == "collectors/toolkit/merge/hashing.py"


def test_an_increment_holds_what_came_since_the_last_one(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def work() -> None:
        mark_solved()

    work()
    work()
    first = drained(tracker)["work"]
    assert tracker.drain() == []
    work()
    second = drained(tracker)["work"]
    assert [(one["calls"], one["solved"]) for one in (first, second)] == [(2, 2), (1, 1)]
    assert first["first_start"] == second["first_start"]


def test_an_error_is_counted_and_passed_on_and_a_later_success_does_not_take_it_back(
    tracker: Tracker, watch: Watching
) -> None:
    @watch()
    def divide(by: int) -> float:
        return 1 / by

    with pytest.raises(ZeroDivisionError):
        divide(0)
    divide(1)
    one = drained(tracker)["divide"]
    assert (one["calls"], one["errors"]) == (2, 1)
    assert one["last_error"] == "ZeroDivisionError: division by zero"
    assert Sketch.from_json(one["sketch"]).count == 2


@pytest.mark.parametrize(
    "error", [SkipItem("not wanted"), StopRun("done"), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()]
)
def test_what_is_no_fault_is_no_error(tracker: Tracker, watch: Watching, error: BaseException) -> None:
    @watch()
    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        work()
    one = drained(tracker)["work"]
    assert (one["calls"], one["errors"]) == (1, 0)


def test_other_ends_of_a_run_are_errors(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def work() -> None:
        raise RetryLater("The site is being repaired.")

    with pytest.raises(RetryLater):
        work()
    assert drained(tracker)["work"]["last_error"] == "RetryLater: The site is being repaired."


@pytest.mark.parametrize(
    ("options", "args", "size"),
    [
        ({}, ([1, 2, 3],), 3),
        ({}, (7, "text", b"bytes", {"a": 1, "b": 2}, [1]), 2),
        ({}, ((),), 0),
        ({}, ("text", 5), None),
        ({}, (), None),
        ({"task_size": None}, ([1, 2, 3],), None),
        ({"task_size": 20}, ([1, 2, 3],), 20),
        ({"task_size": 20}, (), 20),
    ],
)
def test_the_task_size_is_the_first_length_unless_one_says_otherwise(
    tracker: Tracker, watch: Watching, options: dict[str, Any], args: tuple[Any, ...], size: int | None
) -> None:
    @watch(**options)
    def work(*things: object) -> None: ...

    work(*args)
    assert drained(tracker)["work"]["task_size"] == size


def test_the_length_of_self_is_not_the_size_of_a_task(tracker: Tracker, watch: Watching) -> None:
    class Basket(list[int]):
        @watch()
        def put(self, things: list[int]) -> None: ...

        @watch()
        @classmethod
        def make(cls, things: list[int]) -> None: ...

        @staticmethod
        @watch()
        def weigh(things: list[int]) -> None: ...

    basket = Basket([1, 2, 3, 4, 5])
    basket.put([1, 2])
    basket.make([1, 2, 3])
    basket.weigh([1])
    sizes = {name: one["task_size"] for name, one in drained(tracker).items()}
    assert sizes == {"Basket.put": 2, "Basket.make": 3, "Basket.weigh": 1}


def test_a_lazy_query_is_not_sent_to_be_counted(tracker: Tracker, watch: Watching) -> None:
    from django.db.models import QuerySet

    class Query(QuerySet[Any]):
        def __len__(self) -> int:
            raise AssertionError("The query was sent.")

    @watch()
    def work(*things: object) -> None: ...

    work(Query(), [1, 2])
    assert drained(tracker)["work"]["task_size"] == 2


def test_marks_belong_to_the_innermost_watched_function(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def inner() -> None:
        mark_solved(3)
        mark_failed()
        mark_size(4)

    @watch()
    def outer() -> None:
        mark_solved()
        inner()
        mark_failed(2)

    outer()
    found = drained(tracker)
    marks = {name: (one["solved"], one["failed"], one["task_size"]) for name, one in found.items()}
    assert marks == {"inner": (3, 1, 4), "outer": (1, 2, None)}


def test_a_mark_is_seen_before_the_call_has_ended(tracker: Tracker, watch: Watching) -> None:
    seen: list[Increment] = []

    @watch()
    def work() -> None:
        mark_solved(5)
        seen.extend(tracker.drain())

    work()
    assert [(one["calls"], one["solved"], one["last_end"], one["sketch"]) for one in seen] == [(0, 5, None, {})]
    assert drained(tracker)["work"]["calls"] == 1


# -- Who called whom ---------------------------------------------------------------------------------------------------


def test_each_caller_is_told_apart(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def fetch() -> None: ...

    @watch()
    def pages() -> None:
        fetch()
        fetch()

    @watch()
    def images() -> None:
        fetch()

    pages()
    images()
    fetch()
    assert calls_by_edge(tracker) == {
        ("", "pages"): 1,
        ("", "images"): 1,
        ("pages", "fetch"): 2,
        ("images", "fetch"): 1,
        ("", "fetch"): 1,
    }


def test_recursion_ends_where_it_began(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def countdown(n: int) -> int:
        return 0 if n == 0 else countdown(n - 1)

    countdown(50)
    assert CURRENT.get() is None
    assert calls_by_edge(tracker) == {("", "countdown"): 1, ("countdown", "countdown"): 50}


def test_after_an_error_the_outer_function_is_the_current_one_again(tracker: Tracker, watch: Watching) -> None:
    chains = []

    @watch()
    def fails() -> None:
        chains.append(call_chain())
        raise ValueError("no")

    @watch()
    def outer() -> None:
        with pytest.raises(ValueError, match="no"):
            fails()
        chains.append(call_chain())

    outer()
    chains.append(call_chain())
    assert [chain.replace(f"{outer.__qualname__[:-5]}", "") for chain in chains] == ["outer > fails", "outer", ""]


def test_a_long_chain_is_cut(watch: Watching) -> None:
    @watch()
    def deeper(n: int) -> str:
        return deeper(n - 1) if n else call_chain()

    chain = deeper(100)
    assert chain.startswith("... > ")
    assert chain.count(" > ") == 20


# -- Kinds of functions ------------------------------------------------------------------------------------------------


def test_async_functions_are_told_apart_task_by_task(tracker: Tracker, watch: Watching) -> None:
    @watch()
    async def fetch(name: str) -> str:
        await asyncio.sleep(0.01)
        mark_solved()
        return name

    @watch()
    async def first() -> Any:
        return await asyncio.gather(*(fetch(name) for name in "abc"))

    @watch()
    async def second() -> Any:
        return await fetch("d")

    async def main() -> None:
        found = await asyncio.gather(first(), second())
        assert list(found) == [["a", "b", "c"], "d"]

    asyncio.run(main())
    solved = sum(one["solved"] for one in tracker.drain())
    assert solved == 4


def test_the_time_of_an_async_call_holds_its_waiting(tracker: Tracker, watch: Watching) -> None:
    waiting, around = [Stopwatch(), Stopwatch()], Stopwatch()

    @watch()
    async def fetch(stopwatch: Stopwatch) -> None:
        with stopwatch:
            await asyncio.sleep(0.02)

    @watch()
    async def outer() -> None:
        await asyncio.gather(*map(fetch, waiting))

    with around:
        asyncio.run(outer())
    found = drained(tracker)
    assert found["fetch"]["calls"] == 2
    assert (found["fetch"]["min_ns"] or 0) >= 20e6
    assert found["fetch"]["parent"] == (__name__, outer.__qualname__, found["outer"]["file"])
    # Both wait at the same time: that is twice theirs, and once the time of who waits for them.
    assert found["fetch"]["total_ns"] >= sum(stopwatch.laps[0] for stopwatch in waiting)
    assert max(stopwatch.laps[0] for stopwatch in waiting) <= found["outer"]["total_ns"] <= around.laps[0]


def test_a_cancelled_call_is_a_call(tracker: Tracker, watch: Watching) -> None:
    @watch()
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.01)

    asyncio.run(main())
    one = drained(tracker)["forever"]
    assert (one["calls"], one["errors"]) == (1, 0)


def test_a_coroutine_that_is_closed_from_elsewhere_counts(tracker: Tracker, watch: Watching) -> None:
    import contextvars

    class Forever:
        def __await__(self) -> Generator[None]:
            yield

    @watch()
    async def forever() -> None:
        await Forever()

    coroutine = forever()
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert drained(tracker)["forever"]["calls"] == 1


def test_a_generator_is_one_call_and_its_time_is_its_own(tracker: Tracker, watch: Watching) -> None:
    inside, between = Stopwatch(), Stopwatch()

    @watch()
    def rows(count: int) -> Iterator[int]:
        for number in range(count):
            mark_solved()
            with inside:
                time.sleep(0.002)
            yield number

    @watch()
    def consume() -> int:
        total = 0
        for row in rows(5):
            assert call_chain().endswith("consume")
            with between:
                time.sleep(0.01)
            total += row
        return total

    assert consume() == 10
    found = drained(tracker)
    assert (found["rows"]["calls"], found["rows"]["solved"]) == (1, 5)
    own, whole = found["rows"]["total_ns"], found["consume"]["total_ns"]
    assert 10e6 <= sum(inside.laps) <= own <= whole - sum(between.laps)
    assert sum(between.laps) >= 50e6
    assert found["consume"]["solved"] == 0


def test_a_generator_sends_throws_and_returns_as_before(tracker: Tracker, watch: Watching) -> None:
    @watch()
    def echo() -> Any:
        heard: list[Any] = []
        try:
            while len(heard) < 2:
                try:
                    heard.append((yield len(heard)))
                except LookupError as error:
                    heard.append(str(error))
        finally:
            heard.append("closed")
        return heard

    generator = echo()
    assert next(generator) == 0
    assert generator.send("one") == 1
    with pytest.raises(StopIteration) as end:
        generator.throw(LookupError("two"))
    assert end.value.value == ["one", "two", "closed"]
    one = drained(tracker)["echo"]
    assert (one["calls"], one["errors"]) == (1, 0)


def test_a_generator_that_is_left_early_or_fails_counts(tracker: Tracker, watch: Watching) -> None:
    closed = []

    @watch()
    def rows(fails: bool) -> Iterator[int]:
        try:
            yield 1
            if fails:
                raise ValueError("broken")
            yield 2
        finally:
            closed.append(call_chain())

    for _row in rows(fails=False):
        break
    with pytest.raises(ValueError, match="broken"):
        list(rows(fails=True))
    one = drained(tracker)["rows"]
    assert (one["calls"], one["errors"], one["last_error"]) == (2, 1, "ValueError: broken")
    assert closed == [rows.__qualname__] * 2


def test_an_async_generator_works_as_before(tracker: Tracker, watch: Watching) -> None:
    events = []

    @watch()
    async def rows(things: list[int]) -> AsyncIterator[int]:
        try:
            for thing in things:
                await asyncio.sleep(0)
                mark_solved()
                try:
                    yield thing
                except LookupError as error:
                    events.append(str(error))
                    yield -1
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    async def main() -> None:
        assert [row async for row in rows([1, 2, 3])] == [1, 2, 3]
        early = rows([1, 2, 3])
        assert await anext(early) == 1
        assert await early.athrow(LookupError("thrown in")) == -1
        await early.aclose()
        assert CURRENT.get() is None

    asyncio.run(main())
    assert events == ["closed", "thrown in", "closed"]
    one = drained(tracker)["rows"]
    assert (one["calls"], one["errors"], one["solved"], one["task_size"]) == (2, 0, 4, 6)


def test_an_async_generator_that_fails_is_an_error(tracker: Tracker, watch: Watching) -> None:
    @watch()
    async def rows() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    async def main() -> None:
        with pytest.raises(ValueError, match="broken"):
            assert [row async for row in rows()] == []

    asyncio.run(main())
    assert drained(tracker)["rows"]["last_error"] == "ValueError: broken"


def test_a_function_stays_the_kind_it_is(watch: Watching) -> None:
    def plain(a: int, *, b: str = "x") -> None:
        """What it does."""

    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    assert inspect.iscoroutinefunction(watch()(coroutine))
    assert inspect.isgeneratorfunction(watch()(generator))
    assert inspect.isasyncgenfunction(watch()(async_generator))
    watched = watch()(plain)
    assert inspect.signature(watched) == inspect.signature(plain)
    assert (watched.__name__, watched.__doc__) == ("plain", "What it does.")


def test_a_cached_function_can_be_watched(tracker: Tracker, watch: Watching) -> None:
    @watch()
    @lru_cache
    def square(n: int) -> int:
        return n * n

    assert [square(2), square(2)] == [4, 4]
    assert drained(tracker)["square"]["calls"] == 2


@pytest.mark.parametrize("thing", [int, property(), "collect", 5, object()])
def test_what_is_no_function_is_refused_where_it_is_written(thing: Any) -> None:
    with pytest.raises(TypeError, match="fun_watch goes on functions and methods"):
        fun_watch(tracker=Tracker())(thing)


@pytest.mark.parametrize("size", [-1, "ten", True, 2.5])
def test_a_wrong_task_size_is_refused_where_it_is_written(size: Any) -> None:
    with pytest.raises(TypeError, match="a number of things"):
        fun_watch(task_size=size)


def test_without_options_it_uses_the_tracker_of_the_process() -> None:
    from collectors.toolkit.profiling import tracker

    @fun_watch
    def on_the_tracker_of_the_process() -> None: ...

    tracker.clear()
    on_the_tracker_of_the_process()
    assert [one["qualname"] for one in tracker.drain()] == [on_the_tracker_of_the_process.__qualname__]
