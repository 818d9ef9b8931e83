"""A tracker: threads, processes, journals, and everything that must not reach the watched function."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.journal import Journal, read_frames
from collectors.toolkit.profiling import (
    Flusher,
    Increment,
    Sketch,
    Tracker,
    carry,
    fun_watch,
    mark_failed,
    mark_size,
    mark_solved,
)
from collectors.toolkit.profiling import aggregates as aggregating
from collectors.toolkit.profiling import context as contexts
from collectors.toolkit.profiling.tracking import BUCKETS_PER_INCREMENT


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, about=dict)
    yield journal
    journal.close()


@pytest.fixture(autouse=True)
def _nothing_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregating, "_told", set())
    monkeypatch.setattr(contexts, "_told_outside", [])


class Memory:
    """A journal that keeps frames, and refuses them when it is told to."""

    def __init__(self) -> None:
        self.frames: list[Mapping[str, Any]] = []
        self.is_full = False

    def write(self, kind: str, data: Mapping[str, Any]) -> bool:
        assert kind == "function"
        if not self.is_full:
            self.frames.append(json.loads(json.dumps(data)))
        return not self.is_full


def totals(increments: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """What several increments add up to."""
    sums = dict.fromkeys(("calls", "errors", "solved", "failed", "task_size", "total_ns", "sketched"), 0)
    for one in increments:
        for name in sums.keys() - {"sketched"}:
            sums[name] += one[name] or 0
        sums["sketched"] += Sketch.from_json(one["sketch"]).count
    return sums


def frames_in(folder: Path) -> dict[Path, list[dict[str, Any]]]:
    """The function frames of every journal that has any."""
    found = {
        path: [frame.data for frame in read_frames(path).frames if frame.kind == "function"]
        for path in folder.glob("*.journal")
    }
    return {path: frames for path, frames in found.items() if frames}


def counting(tracker: Tracker) -> Callable[[list[int]], None]:
    @fun_watch(tracker=tracker)
    def work(items: list[int]) -> None:
        mark_solved(2)
        mark_failed()

    return work


# -- Threads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _threads_change_places_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_change_places_all_the_time")
def test_threads_add_up_while_somebody_drains(tracker: Tracker) -> None:
    work = counting(tracker)
    drained: list[Increment] = []
    end = threading.Event()

    def drain() -> None:
        while not end.is_set():
            drained.extend(tracker.drain())

    drainers = [threading.Thread(target=drain) for _ in range(2)]
    threads = [threading.Thread(target=lambda: [work([1, 2, 3]) for _ in range(5_000)]) for _ in range(6)]
    for thread in (*drainers, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    end.set()
    for thread in drainers:
        thread.join()
    sums = totals([*drained, *tracker.drain()])
    assert sums.pop("total_ns") > 0
    assert sums == {
        "calls": 30_000,
        "errors": 0,
        "solved": 60_000,
        "failed": 30_000,
        "task_size": 90_000,
        "sketched": 30_000,
    }


def test_a_raw_thread_has_no_caller_unless_it_is_carried(tracker: Tracker) -> None:
    @fun_watch(tracker=tracker)
    def fetch() -> None: ...

    @fun_watch(tracker=tracker)
    def collect() -> None:
        for target in (fetch, carry(fetch), carry(mark_solved)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    collect()
    edges = {(one["parent"] is not None, one["qualname"][-7:]): one for one in tracker.drain()}
    assert set(edges) == {(False, "collect"), (False, ">.fetch"), (True, ">.fetch")}
    assert edges[False, "collect"]["solved"] == 1


def test_what_is_carried_may_run_in_many_threads_at_once(tracker: Tracker) -> None:
    barrier = threading.Barrier(4)

    @fun_watch(tracker=tracker)
    def collect() -> int:
        def one(n: int) -> int:
            barrier.wait(10)
            mark_solved(n)
            return n

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(carry(one), range(4)))

    assert collect() == 6
    assert totals(tracker.drain())["solved"] == 6


def test_asyncio_carries_the_context_into_threads_by_itself(tracker: Tracker) -> None:
    @fun_watch(tracker=tracker)
    async def collect() -> None:
        await asyncio.to_thread(mark_solved, 4)

    asyncio.run(collect())
    assert totals(tracker.drain())["solved"] == 4


def test_a_watched_function_inside_of_a_fold_does_not_wait_for_it(tracker: Tracker) -> None:
    """As a signal handler or a finaliser would call it, which strikes anywhere."""
    work = counting(tracker)
    work([])
    (cell,) = (cell for watch in tracker.watches.values() for cell in watch.cells.values())
    with cell._lock:
        for _ in range(2 * aggregating.FOLD_AT):
            work([])
    assert totals(tracker.drain())["calls"] == 2 * aggregating.FOLD_AT + 1


# -- Processes ---------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a forked child that does `work` and leaves without any tidying up."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must not go on in the tests
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_begins_with_nothing_and_adds_up_with_its_parent(tracker: Tracker, journal: Journal) -> None:
    work = counting(tracker)
    for _ in range(10):
        work([1])

    def child() -> None:
        assert tracker.drain() == []
        for _ in range(7):
            work([1])
        assert tracker.flush_to(journal)

    assert in_child(child) == 0
    assert tracker.flush_to(journal)
    by_journal = [totals(frames) for frames in frames_in(journal.folder).values()]
    assert sorted(sums["calls"] for sums in by_journal) == [7, 10]
    assert sum(sums["solved"] for sums in by_journal) == 34


def test_a_call_that_is_under_way_while_it_forks_counts_in_the_parent_alone(tracker: Tracker, tmp_path: Path) -> None:
    results = tmp_path / "child.json"

    @fun_watch(tracker=tracker)
    def inner() -> None: ...

    @fun_watch(tracker=tracker)
    def forking() -> int:
        mark_solved()
        pid = os.fork()
        if pid == 0:
            mark_failed(5)
            inner()
        return pid

    pid = forking()
    if pid == 0:
        try:
            results.write_text(json.dumps(tracker.drain()))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    child = {one["qualname"].rpartition(".")[2]: one for one in json.loads(results.read_text())}
    assert (child["forking"]["calls"], child["forking"]["solved"], child["forking"]["failed"]) == (0, 0, 5)
    assert (child["inner"]["calls"], child["inner"]["parent"][1]) == (1, forking.__qualname__)
    (parent,) = tracker.drain()
    assert (parent["calls"], parent["solved"], parent["failed"]) == (1, 1, 0)


def test_a_fork_in_the_middle_of_a_fold_leaves_no_lock_behind(tracker: Tracker) -> None:
    work = counting(tracker)
    work([])
    (cell,) = (cell for watch in tracker.watches.values() for cell in watch.cells.values())

    def child() -> None:
        for _ in range(1000):
            work([])
        assert totals(tracker.drain())["calls"] == 1000

    with cell._lock:
        assert in_child(child) == 0


def test_children_of_multiprocessing_flush_by_themselves(tracker: Tracker, journal: Journal) -> None:
    work = counting(tracker)
    context = multiprocessing.get_context("fork")

    @fun_watch(tracker=tracker)
    def collect() -> None:
        children = [context.Process(target=lambda: [work([1]) for _ in range(20)]) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(30)
            assert child.exitcode == 0

    with Flusher(journal, tracker=tracker, every_s=60):
        collect()
    frames = frames_in(journal.folder)
    assert len(frames) == 4
    everything = [frame for found in frames.values() for frame in found]
    assert totals(frame for frame in everything if frame["qualname"].endswith("work"))["calls"] == 60
    assert {frame["parent"][1] for frame in everything if frame["parent"]} == {collect.__qualname__}


# -- Into the journal --------------------------------------------------------------------------------------------------


def test_a_flusher_writes_now_and_then_and_at_the_end(tracker: Tracker) -> None:
    work, memory = counting(tracker), Memory()
    work([])
    with Flusher(memory, tracker=tracker, every_s=0.02):
        work([])
        deadline = time.monotonic() + 10
        while not memory.frames and time.monotonic() < deadline:
            time.sleep(0.01)
        assert totals(memory.frames)["calls"] == 1
        work([])
        work([])
    assert totals(memory.frames)["calls"] == 3


def test_a_full_disk_costs_no_figure(tracker: Tracker) -> None:
    work, memory = counting(tracker), Memory()
    memory.is_full = True
    with Flusher(memory, tracker=tracker, every_s=60) as flusher:
        for _ in range(4):
            work([1])
            flusher.flush()
        assert memory.frames == []
        memory.is_full = False
    (frame,) = memory.frames
    assert (frame["calls"], frame["solved"], frame["task_size"]) == (4, 8, 4)
    assert frame["min_ns"] <= frame["total_ns"] / 4 <= frame["max_ns"]
    assert Sketch.from_json(frame["sketch"]).count == 4


def test_an_interruption_while_flushing_loses_one_frame_at_most_and_doubles_none(tracker: Tracker) -> None:
    for name in ("f0", "f1", "f2"):

        def function() -> None: ...

        function.__qualname__ = name
        fun_watch(tracker=tracker)(function)()

    class Interrupting(Memory):
        def write(self, kind: str, data: Mapping[str, Any]) -> bool:
            super().write(kind, data)
            if len(self.frames) == 1:
                raise KeyboardInterrupt
            return True

    memory = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        tracker.flush_to(memory)
    assert tracker.flush_to(memory)
    assert sorted(frame["qualname"] for frame in memory.frames) == ["f0", "f1", "f2"]


def test_a_journal_that_raises_is_told_once_and_ends_nothing(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def write(self, kind: str, data: Mapping[str, Any]) -> bool:
            raise RuntimeError("no journal")

    work = counting(tracker)
    with Flusher(Broken(), tracker=tracker, every_s=60) as flusher:
        work([])
        flusher.flush()
        work([])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "flushing" in caplog.text


def test_a_wide_sketch_comes_in_pieces_that_add_up_and_a_journal_cuts_none(tracker: Tracker, tmp_path: Path) -> None:
    from collectors.toolkit.journal import Redactor

    @fun_watch(tracker=tracker)
    def refresh_token() -> None: ...

    refresh_token()
    (cell,) = (cell for watch in tracker.watches.values() for cell in watch.cells.values())
    cell.samples.extend(int(1.03**power) for power in range(1, 1200))
    journal = Journal(tmp_path, about=dict, redactor=Redactor(["a secret that is nowhere"]))
    assert tracker.flush_to(journal)
    journal.close()
    (frames,) = frames_in(tmp_path).values()
    assert len(frames) > 3
    assert max(len(frame["sketch"]) for frame in frames) == BUCKETS_PER_INCREMENT
    assert totals(frames)["calls"] == totals(frames)["sketched"] == 1200


def test_clearing_forgets_calls_that_are_under_way(tracker: Tracker) -> None:
    @fun_watch(tracker=tracker)
    def work() -> None:
        tracker.clear()

    work()
    assert tracker.drain() == []
    fun_watch(tracker=tracker)(mark_solved)()
    assert totals(tracker.drain())["solved"] == 1


# -- What must not reach the watched function --------------------------------------------------------------------------


def test_a_mark_outside_of_a_watched_function_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "profiling")
    mark_solved()
    mark_failed(3)
    mark_size(7)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


@pytest.mark.parametrize("count", [-1, "many", None, 1.5, True, 2**60])
def test_a_wrong_mark_is_told_once_and_counts_nothing(
    tracker: Tracker, caplog: pytest.LogCaptureFixture, count: Any
) -> None:
    @fun_watch(tracker=tracker)
    def work() -> str:
        mark_solved(count)
        mark_failed(count)
        mark_solved(1)
        return "done"

    assert work() == "done"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert totals(tracker.drain())["solved"] == 1


def test_a_length_that_fails_is_told_once(tracker: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __len__(self) -> int:
            raise OSError("gone")

    @fun_watch(tracker=tracker)
    def work(thing: Odd) -> str:
        return "done"

    assert [work(Odd()), work(Odd())] == ["done", "done"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert totals(tracker.drain())["calls"] == 2


def test_an_error_without_text_is_counted(tracker: Tracker) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    @fun_watch(tracker=tracker)
    def work() -> None:
        raise Odd

    with pytest.raises(Odd):
        work()
    assert tracker.drain()[0]["last_error"] == "Odd"


def test_a_long_error_is_cut(tracker: Tracker) -> None:
    @fun_watch(tracker=tracker)
    def work() -> None:
        raise ValueError("x" * 10_000)

    with pytest.raises(ValueError, match="xxx"):
        work()
    assert len(tracker.drain()[0]["last_error"]) == aggregating.MAX_ERROR_CHARS


def test_a_fault_of_the_tracking_is_told_once_and_the_function_goes_on(
    tracker: Tracker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fold(cell: aggregating.Cell) -> None:
        raise RuntimeError("a fault of ours")

    @fun_watch(tracker=tracker)
    def work() -> str:
        return "done"

    @fun_watch(tracker=tracker)
    async def work_later() -> str:
        return "done"

    async def many() -> set[str]:
        return {await work_later() for _ in range(2 * aggregating.FOLD_AT)}

    monkeypatch.setattr(aggregating.Cell, "_fold", fold)
    assert {work() for _ in range(2 * aggregating.FOLD_AT)} == {"done"}
    assert asyncio.run(many()) == {"done"}
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "a fault of ours" in caplog.text


# -- Memory, and sums in any order -------------------------------------------------------------------------------------


def test_memory_stays_flat_over_a_hundred_thousand_calls(tracker: Tracker) -> None:
    work, rng = counting(tracker), random.Random(1)

    @fun_watch(tracker=tracker)
    def fails() -> None:
        raise ValueError("x" * rng.randrange(100))

    def many(count: int) -> None:
        for _ in range(count):
            work([1])
            with pytest.raises(ValueError, match=r"^x*$"):
                fails()

    many(2_000)
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        many(5_000)
        for _ in range(100_000):
            work([1])
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern="*/profiling/*.py")]
    size_before, size_after = (
        sum(trace.size for trace in snapshot.filter_traces(ours).traces) for snapshot in (before, after)
    )
    assert size_after - size_before < 64 * 1024
    assert totals(tracker.drain())["calls"] == 114_000


STEPS = st.lists(st.sampled_from(["call", "fail", "solve", "drain", "lose"]), max_size=40)


@given(STEPS)
def test_whatever_is_drained_lost_and_put_back_adds_up(steps: list[str]) -> None:
    tracker, memory = Tracker(), Memory()

    @fun_watch(tracker=tracker)
    def work(step: str, items: list[int]) -> None:
        if step == "solve":
            mark_solved(3)
        if step == "fail":
            raise ValueError(step)

    for step in steps:
        memory.is_full = step == "lose"
        if step in ("drain", "lose"):
            tracker.flush_to(memory)
            continue
        try:
            work(step, [1, 2])
        except ValueError:
            assert step == "fail"
    memory.is_full = False
    tracker.flush_to(memory)
    calls = sum(step in ("call", "fail", "solve") for step in steps)
    sums = totals(memory.frames)
    assert sums["calls"] == sums["sketched"] == sums["task_size"] / 2 == calls
    assert (sums["errors"], sums["solved"]) == (steps.count("fail"), 3 * steps.count("solve"))
