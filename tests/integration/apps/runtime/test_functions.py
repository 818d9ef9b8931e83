"""Function frames become rows: each counts once, several writers add up, and nonsense harms nobody."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from apps.registry.models import App
from apps.runtime.function_frames import MOST
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.functions import function_identity, store_function_frames
from apps.runtime.models import Runtime, State
from collectors.toolkit.journal import Journal, read_frames
from collectors.toolkit.profiling import RELATIVE_ERROR, Sketch, Tracker, fun_watch, mark_failed, mark_solved
from tests.integration.factories import make_app, make_run
from tests.integration.function_frames import FILE, MODULE, NOON, frame, store

database = pytest.mark.django_db(databases="__all__")


def row_of(run: Runtime, name: str = "collect") -> FunctionLog:
    return FunctionLog.objects.select_related("function", "parent").get(runtime=run, function__qualified_name=name)


@database
def test_the_first_frame_registers_the_function() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("Books.collect", 1.0, 3.0, solved=5, failed=1, task_size=6))
    function, row = AppFunction.objects.get(), row_of(run, "Books.collect")
    assert (function.app, function.module, function.file) == (run.app, MODULE, FILE)
    assert function.identity == function_identity(run.app.identity, MODULE, "Books.collect")
    assert (function.first_seen_at, function.last_seen_at) == (NOON, NOON + timedelta(seconds=1))
    assert (function.run_count, function.calls) == (1, 2)
    assert (row.calls, row.errors, row.has_failed) == (2, 0, False)
    assert (row.task_size, row.solved, row.failed) == (6, 5, 1)
    assert (row.total_ms, row.mean_ms, row.min_ms, row.max_ms) == (4.0, 2.0, 1.0, 3.0)
    assert (row.first_start_at, row.last_end_at) == (NOON, NOON + timedelta(seconds=1))
    assert row.parent is None


@database
def test_increments_add_up() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", 2.0, 4.0, task_size=2), frame("collect", 6.0))
    store(run, frame("collect", 8.0, task_size=3, first_start=NOON.timestamp() - 9, last_end=NOON.timestamp() + 9))
    row = row_of(run)
    assert (row.calls, row.task_size, row.total_ms, row.mean_ms) == (4, 5, 20.0, 5.0)
    assert (row.min_ms, row.max_ms) == (2.0, 8.0)
    assert (row.first_start_at, row.last_end_at) == (NOON - timedelta(seconds=9), NOON + timedelta(seconds=9))
    assert AppFunction.objects.get().calls == 4


@database
def test_quantiles_come_from_all_calls() -> None:
    run, rng = make_run(make_app(), State.RUNNING), random.Random(7)
    elapsed = [rng.lognormvariate(3, 1.5) for _ in range(3000)]
    for start in range(0, 3000, 500):
        store(run, frame("collect", *elapsed[start : start + 500]))
    row, exact = row_of(run), sorted(elapsed)
    assert row.p50_ms == pytest.approx(exact[1499], rel=RELATIVE_ERROR + 1e-6)
    assert row.p95_ms == pytest.approx(exact[2849], rel=RELATIVE_ERROR + 1e-6)
    assert AppFunction.objects.get().p95_ms == row.p95_ms


@database
def test_a_quantile_is_never_outside_of_what_was_measured() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", 5.0))
    row = row_of(run)
    assert (row.p50_ms, row.p95_ms) == (5.0, 5.0)


@database
def test_a_later_success_does_not_take_a_failure_back() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", 1.0, errors=1, last_error="ValueError: no price"))
    store(run, frame("collect", *[1.0] * 50))
    row = row_of(run)
    assert (row.has_failed, row.errors, row.last_error) == (True, 1, "ValueError: no price")


@database
def test_over_all_runs_the_function_adds_up_and_each_run_has_its_own_row() -> None:
    app = make_app(max_parallel=2)
    first, second = make_run(app, State.SUCCEEDED), make_run(app, State.RUNNING)
    store(first, frame("collect", 1.0, 1.0))
    store(second, frame("collect", 9.0))
    store(second, frame("collect", 9.0))
    assert [row_of(run).calls for run in (first, second)] == [2, 2]
    function = AppFunction.objects.get()
    assert (function.calls, function.run_count, function.total_ms) == (4, 2, 20.0)
    assert (function.min_ms, function.max_ms) == (1.0, 9.0)


@database
def test_functions_of_the_same_name_are_told_apart_by_app_module_and_class() -> None:
    books, docs = make_app(), make_app("examples.debian.python_docs")
    store(make_run(books, State.RUNNING), frame("Cat.feed", 1.0), frame("Dog.feed", 1.0))
    store(make_run(docs, State.RUNNING), frame("Cat.feed", 1.0, module="another.module"), frame("Cat.feed", 1.0))
    assert AppFunction.objects.count() == 4


@database
def test_the_parent_is_the_caller_that_took_most_of_the_time() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("fetch", 1.0, 1.0, 1.0, parent="images"), frame("fetch", 30.0, parent="pages"))
    store(run, frame("fetch", 2.0), frame("fetch", 99.0, parent="fetch"))
    row = row_of(run, "fetch")
    assert row.parent is not None
    assert (row.parent.qualified_name, row.calls) == ("pages", 6)
    ids = dict(AppFunction.objects.values_list("qualified_name", "pk"))
    assert row.callers == {
        str(ids["images"]): [3, 3.0],
        str(ids["pages"]): [1, 30.0],
        "": [1, 2.0],
        str(ids["fetch"]): [1, 99.0],
    }
    assert set(FunctionLog.objects.values_list("function__qualified_name", flat=True)) == {"fetch"}
    store(run, frame("pages", 40.0))
    assert row_of(run, "pages").parent is None


@database
def test_marks_without_a_call_that_ended_are_kept() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", solved=12))
    row = row_of(run)
    assert (row.calls, row.solved, row.last_end_at, row.mean_ms, row.p95_ms) == (0, 12, None, None, None)


@database
def test_a_batch_costs_a_fixed_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app(), State.RUNNING)
    names = [f"function_{number}" for number in range(30)]
    for _ in range(2):
        # app, register, read both, write both
        with transaction.atomic(), django_assert_num_queries(6):
            frames = [frame(name, 1.0, parent=parent) for name in names for parent in (None, "main")]
            store_function_frames(run.pk, run.app_id, frames)
    assert FunctionLog.objects.count() == 30
    assert AppFunction.objects.count() == 31
    with transaction.atomic(), django_assert_num_queries(0):
        store_function_frames(run.pk, run.app_id, [])


@database
def test_a_refused_transaction_leaves_nothing_and_the_frames_count_once() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", 1.0))
    with transaction.atomic():
        store_function_frames(run.pk, run.app_id, [frame("collect", 1.0), frame("new", 1.0)])
        transaction.set_rollback(True)  # as when the shipper dies before it commits
    assert AppFunction.objects.count() == 1
    store(run, frame("collect", 1.0), frame("new", 1.0))
    assert (row_of(run).calls, row_of(run, "new").calls) == (2, 1)


@database
@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"calls": 1},
        {"qualname": ""},
        {"qualname": None},
        {"calls": -1},
        {"calls": "many"},
        {"solved": 2**64},
        {"total_ns": 1.5},
        {"first_start": "noon"},
        {"first_start": 1e30},
        {"first_start": -5},
        {"last_end": float("nan")},
        {"sketch": [1]},
        {"sketch": {"-4": 1}},
        {"sketch": {"4": 2**70}},
        {"parent": ["only a module"]},
        {"parent": "main"},
    ],
)
def test_a_frame_that_makes_no_sense_is_left_out_and_its_neighbours_are_not(nonsense: dict[str, Any]) -> None:
    run = make_run(make_app(), State.RUNNING)
    bad = {**frame("bad", 1.0), **nonsense} if nonsense and nonsense != {"calls": 1} else nonsense
    store(run, frame("before", 1.0), bad, frame("after", 1.0))
    assert set(FunctionLog.objects.values_list("function__qualified_name", flat=True)) == {"before", "after"}


@database
def test_counts_stay_what_a_database_can_hold() -> None:
    run = make_run(make_app(), State.RUNNING)
    for _ in range(2):
        store(run, frame("collect", 1.0, solved=MOST, task_size=MOST))
    row = row_of(run)
    assert (row.solved, row.task_size) == (MOST, MOST)


@database
def test_long_names_are_cut_and_still_told_apart() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("x" * 5000 + "a", 1.0), frame("x" * 5000 + "b", 1.0))
    assert sorted(map(len, AppFunction.objects.values_list("qualified_name", flat=True))) == [400, 400]


@database
def test_frames_of_a_run_that_is_gone_are_nobodys() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    gone = run.pk
    run.delete()
    with transaction.atomic():
        store_function_frames(gone, run.app_id, [frame("collect", 1.0)])
    assert not AppFunction.objects.exists()


@database
def test_a_run_and_an_app_take_their_functions_along() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("main", 9.0), frame("collect", 1.0, parent="main"))
    run.delete()
    assert not FunctionLog.objects.exists()
    assert AppFunction.objects.count() == 2
    App.objects.get().delete()
    assert not AppFunction.objects.exists()


@database
def test_what_a_collector_did_arrives_through_its_journal(tmp_path: Path) -> None:
    run, tracker, journal = make_run(make_app(), State.RUNNING), Tracker(), Journal(tmp_path, about=dict)

    @fun_watch(tracker=tracker)
    def fetch(urls: list[str]) -> None:
        mark_solved(len(urls) - 1)
        mark_failed()

    @fun_watch(tracker=tracker)
    def collect() -> None:
        fetch(["a", "b", "c"])
        fetch(["d", "e"])

    collect()
    tracker.flush_to(journal)
    collect()
    tracker.flush_to(journal)
    journal.close()
    store(run, *(frame.data for frame in read_frames(journal.path).frames if frame.kind == "function"))
    row = row_of(run, fetch.__qualname__)
    assert (row.calls, row.task_size, row.solved, row.failed) == (4, 10, 6, 4)
    assert row.parent is not None
    assert row.parent.qualified_name == collect.__qualname__
    assert row.function.module == __name__


# -- Several writers at once -------------------------------------------------------------------------------------------


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_several_shippers_of_several_runs_lose_and_double_nothing() -> None:
    app = make_app(max_parallel=3)
    runs = [make_run(app, State.RUNNING, slot=slot) for slot in range(3)]
    errors: list[BaseException] = []

    def ship(run: Runtime, seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(15):
                names = rng.sample(["a", "b", "c", "d", "e"], k=3)
                store(run, *(frame(name, 1.0, 2.0, parent=rng.choice([None, "a", "b"]), solved=1) for name in names))
        except BaseException as error:  # noqa: BLE001 - told by the test, whatever it is
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ship, args=(run, seed)) for seed, run in enumerate([*runs, *runs])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    logs, functions = list(FunctionLog.objects.all()), list(AppFunction.objects.all())
    assert sum(log.calls for log in logs) == sum(function.calls for function in functions) == 6 * 15 * 3 * 2
    assert sum(log.solved for log in logs) == 6 * 15 * 3
    assert sum(calls for log in logs for calls, _ms in log.callers.values()) == 6 * 15 * 3 * 2
    assert [function.run_count for function in functions] == [3] * 5
    assert all(Sketch.from_json(log.sketch).count == log.calls for log in logs)


NAMES = st.sampled_from(["a", "b", "c"])
FRAMES = st.builds(
    lambda name, parent, elapsed, solved: frame(name, *elapsed, parent=parent, solved=solved),
    NAMES,
    st.none() | NAMES,
    st.lists(st.integers(1, 10_000), max_size=4),
    st.integers(0, 5),
)


class AnyOrder(TestCase):
    """hypothesis rolls every example back by itself only in a TestCase of its own."""

    databases = "__all__"

    @given(st.lists(FRAMES, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
    def test_the_order_of_frames_and_batches_does_not_matter(
        self, frames: list[dict[str, Any]], rng: random.Random, cut: int
    ) -> None:
        app = make_app(max_parallel=2)
        one, other = make_run(app, State.RUNNING, slot=0), make_run(app, State.RUNNING, slot=1)
        store(one, *frames)
        shuffled = rng.sample(frames, k=len(frames))
        store(other, *shuffled[:cut])
        store(other, *shuffled[cut:])
        assert self.figures(one) == self.figures(other)

    def figures(self, run: Runtime) -> dict[str, tuple[Any, ...]]:
        return {
            log.function.qualified_name: (
                *(log.calls, log.solved, round(log.total_ms, 6), log.min_ms, log.max_ms, log.p50_ms, log.p95_ms),
                *(log.sketch, {key: [calls, round(spent, 6)] for key, (calls, spent) in log.callers.items()}),
            )
            for log in FunctionLog.objects.filter(runtime=run).select_related("function")
        }
