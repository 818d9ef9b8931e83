"""What `@fun_watch` costs: time per call, and memory over ten million of them. Part of the section "logs"."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, publish
from collectors.toolkit.profiling import Tracker, fun_watch, mark_solved

COMMAND = "make bench SECTION=logs"
QUICK = bool(os.environ.get("QUICK"))
CALLS = 50_000 if QUICK else 200_000
ROUNDS = 5 if QUICK else 9
MANY = 1_000_000 if QUICK else 10_000_000
LIMIT_US, LIMIT_GROWTH_MB = 2.0, 1.0

#: Names what is measured, the plain function, and the watched one.
Pair = tuple[str, Callable[[int], Any], Callable[[int], Any]]


def nothing(argument: object) -> None:
    """A function that costs nothing beside its call."""


async def nothing_async(argument: object) -> None:
    """The same, awaited."""


def generate(argument: object) -> Iterator[object]:
    """The same, with a value."""
    yield argument


def loop(function: Callable[[object], Any], argument: object) -> Callable[[int], Any]:
    """Calls a function so many times."""

    def run(count: int) -> None:
        for _ in range(count):
            function(argument)

    return run


def loop_async(function: Callable[[object], Any], argument: object) -> Callable[[int], Any]:
    """Awaits a coroutine function so many times."""

    async def run(count: int) -> None:
        for _ in range(count):
            await function(argument)

    return lambda count: asyncio.run(run(count))


def pairs(tracker: Tracker) -> Iterator[Pair]:
    """Loops over `n` calls, of a plain function and of the same one watched."""
    watch, items = fun_watch(tracker=tracker), [1, 2, 3]
    watched, drained = watch(nothing), watch(generate)
    yield "a call", loop(nothing, 1), loop(watched, 1)
    yield "a call with a task size", loop(nothing, items), loop(watched, items)
    yield "a call from a watched function", loop(nothing, 1), watch(loop(watched, 1))
    yield "an async call", loop_async(nothing_async, items), loop_async(watch(nothing_async), items)
    yield "a generator of one value", loop(lambda x: list(generate(x)), 1), loop(lambda x: list(drained(x)), 1)


def us_per_call(run: Callable[[int], Any]) -> float:
    """Microseconds of CPU of one call, in one round."""
    start = time.thread_time_ns()
    run(CALLS)
    return (time.thread_time_ns() - start) / CALLS / 1000


def cost(name: str, plain: Callable[[int], Any], watched: Callable[[int], Any]) -> Figure:
    """The difference between both, alternating, the best of the rounds: noise only adds."""
    rounds = [(us_per_call(plain), us_per_call(watched)) for _ in range(ROUNDS)]
    without, with_it = (min(values) for values in zip(*rounds, strict=True))
    return Figure(
        measure=f"@fun_watch overhead, {name}",
        ours=with_it - without,
        unit="us",
        target=f"<= {LIMIT_US:g} us",
        ok=with_it - without <= LIMIT_US,
        n=ROUNDS,
        command=COMMAND,
        limit=without,
    )


def resident_mb() -> float:
    """Memory of this process that is in use."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth() -> Figure:
    """Memory after many calls that fail, mark and take different times, drained now and then as a run does."""
    tracker = Tracker()

    @fun_watch(tracker=tracker)
    def work(items: range) -> None:
        mark_solved()
        for _ in items:
            pass

    def many(count: int) -> None:
        for number in range(count):
            work(range(number % 30))
            if number % 500_000 == 0:
                tracker.drain()

    many(100_000)
    before = resident_mb()
    many(MANY)
    grown = resident_mb() - before
    return Figure(
        measure=f"@fun_watch, memory over {MANY:,} calls",
        ours=grown,
        unit="MB",
        target=f"<= {LIMIT_GROWTH_MB:g} MB",
        ok=grown <= LIMIT_GROWTH_MB,
        n=1,
        command=COMMAND,
    )


def figures() -> list[Figure]:
    """Everything of this page."""
    return [*(cost(*pair) for pair in pairs(Tracker())), growth()]


if __name__ == "__main__":
    sys.exit(0 if publish("function_tracking", figures()) else 1)
