"""A run from its row to its end, in this process."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from django.db import DatabaseError, connection

from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.registry.models import App
from apps.runtime import leash, runner
from apps.runtime.claims import open_run
from apps.runtime.collector import run_spec
from apps.runtime.function_models import FunctionLog
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.supervision.spec import NO_JOURNAL, RunSpec
from collectors.contract import Context, Ending, Outcome
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import SiteUnreachable
from collectors.toolkit.profiling import fun_watch, mark_solved
from collectors.toolkit.scraping import BaseScraper
from tests.integration.factories import book, books, make_app, make_source, storing

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def everything_is_logged() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)


def execute(
    main: Callable[[Context], Outcome | None],
    *,
    time_limit_s: float | None = None,
    grace_s: float = 10.0,
    **values: Any,
) -> Runtime:
    app = make_app(is_enabled=True)
    run = open_run(app, owner=identify_self(), args={}, now=utc_now(), **values)
    with Interrupts(grace_s=grace_s, time_limit_s=time_limit_s) as interrupts:
        runner.execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    return run


def test_a_run_ends_with_its_numbers() -> None:
    run = execute(storing(books(range(3))))
    assert (run.state, run.cause, run.exit_code, run.is_complete) == (State.SUCCEEDED, "", 0, True)
    assert (run.rows_seen, run.rows_inserted, run.rows_archived, run.rows_unchanged) == (3, 3, 0, 0)
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.peak_memory_bytes is not None
    assert run.peak_memory_bytes > 1_000_000
    assert run.cpu_s is not None
    assert len(run.code_version) == 64
    assert {row.runtime for row in Book.objects.all()} == {run.pk}
    again = execute(storing([book(0), book(1, stock=9)]))
    assert (again.rows_seen, again.rows_inserted, again.rows_archived, again.rows_unchanged) == (2, 1, 2, 1)
    assert again.code_version == run.code_version


def test_what_was_said_is_stored_with_the_run_in_order() -> None:
    def main(context: Context) -> None:
        context.log.info("page.fetched", url="http://x/", status=200, odd={1, 2}, nul="a\x00b", nan=float("nan"))
        logging.getLogger("some.library").warning("it said %s", "this")
        try:
            raise ValueError("inside")
        except ValueError:
            context.log.exception("page.odd")

    run = execute(main)
    lines = list(Log.objects.filter(runtime=run).order_by("line_number"))
    assert [line.line_number for line in lines] == list(range(1, len(lines) + 1))
    messages = [line.message for line in lines]
    assert messages == ["run.started", "page.fetched", "it said this", "page.odd", "run.ended"]
    fetched = lines[1]
    assert fetched.context_json == {
        "url": "http://x/",
        "status": 200,
        "odd": [1, 2],
        "nul": "a\\x00b",
        "nan": "nan",
    }
    assert (fetched.level, fetched.logger, fetched.function) == (20, "source.examples.shop.books", "main")
    assert lines[2].logger == "some.library"
    assert lines[3].exception.endswith("ValueError: inside\n")
    assert run.log_counts == {"INFO": 3, "WARNING": 1, "ERROR": 1}


def test_an_error_of_the_source_is_its_cause_and_nothing_is_written() -> None:
    def main(context: Context) -> None:
        with context.records.transaction():
            context.records.merge(Book, books(range(3)))
            raise SiteUnreachable("http://x/ cannot be reached: connection refused.", url="http://x/")

    run = execute(main)
    assert (run.state, run.cause) == (State.FAILED, "http://x/ cannot be reached: connection refused.")
    assert (run.exit_code, run.rows_inserted) == (1, 0)
    assert not Book.objects.exists()


def test_any_other_error_is_a_failure_with_its_name() -> None:
    def main(context: Context) -> None:
        raise ZeroDivisionError("division by zero")

    run = execute(main)
    assert (run.state, run.cause) == (State.FAILED, "ZeroDivisionError: division by zero")
    assert "ZeroDivisionError" in Log.objects.get(runtime=run, message="run.failed").exception


def test_a_source_that_exits_does_not_take_the_run_along() -> None:
    def main(context: Context) -> None:
        raise SystemExit(0)

    assert execute(main).state == State.FAILED


def test_what_a_source_says_of_its_end_is_how_it_ends() -> None:
    run = execute(lambda context: Outcome(ending=Ending.FAILED, cause="Nothing there.", complete=False))
    assert (run.state, run.cause, run.is_complete) == (State.FAILED, "Nothing there.", False)


def test_a_dry_run_counts_and_writes_no_row() -> None:
    run = execute(storing(books(range(3))), is_dry_run=True)
    assert (run.state, run.rows_inserted, run.is_dry_run) == (State.SUCCEEDED, 3, True)
    assert not Book.objects.exists()


def test_the_time_limit_ends_a_run_where_it_stands() -> None:
    def main(context: Context) -> None:
        with context.records.transaction():
            context.records.merge(Book, books(range(3)))
            left_s, _every = signal.getitimer(signal.ITIMER_REAL)
            assert 0 < left_s <= 3600
            # Now, and not while a busy machine is still at an import, which nobody could do again in this process.
            signal.raise_signal(signal.SIGALRM)
            time.sleep(30)

    run = execute(main, time_limit_s=3600)
    assert (run.state, run.exit_code) == (State.TIMED_OUT, 124)
    assert run.cause == "The time limit of 3600 s was reached."
    assert not Book.objects.exists()


def test_a_time_limit_that_passes_before_the_source_begins_is_told_as_one() -> None:
    begun: list[Context] = []
    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=10, time_limit_s=3600) as interrupts:
        signal.raise_signal(signal.SIGALRM)
        runner.execute(run, make_source(begun.append), args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    assert (run.state, run.exit_code, begun) == (State.TIMED_OUT, 124, [])


def test_a_time_limit_that_passes_while_an_end_is_written_down_changes_nothing() -> None:
    class Late(Exception):
        def __str__(self) -> str:
            signal.raise_signal(signal.SIGALRM)
            return "no price"

    def main(context: Context) -> None:
        raise Late

    run = execute(main, time_limit_s=3600)
    assert (run.state, run.cause) == (State.FAILED, "Late: no price")


def test_a_signal_is_a_request_that_the_source_sees() -> None:
    class Slow(BaseScraper):
        model = Book

        def prepare_list(self) -> range:
            return range(100)

        def collect(self, item: int) -> list[dict[str, object]]:
            if item == 4:
                signal.raise_signal(signal.SIGTERM)
            return [book(item)]

    run = execute(lambda context: Slow(context).run())
    assert (run.state, run.exit_code, run.is_complete) == (State.STOPPED, 143, False)
    assert run.cause == "Asked to stop (SIGTERM); what was collected until then is stored."
    assert run.rows_inserted == 5
    assert Book.objects.count() == 5


def test_a_source_that_does_not_look_is_interrupted_when_the_grace_is_over() -> None:
    def main(context: Context) -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(30)

    run = execute(main, grace_s=0.3)
    assert (run.state, run.exit_code) == (State.STOPPED, 130)
    assert run.cause == "Asked to stop (SIGINT) and ended where it stood; nothing was stored."


def test_an_interrupted_run_keeps_the_batches_that_it_had_stored_and_says_so() -> None:
    class InBatches(BaseScraper):
        model = Book
        store_every = 2

        def prepare_list(self) -> range:
            return range(9)

        def collect(self, item: int) -> list[dict[str, object]]:
            if item == 5:
                for _ in range(2):
                    signal.raise_signal(signal.SIGINT)
            return [book(item)]

    run = execute(lambda context: InBatches(context).run())
    assert (run.state, run.is_complete, Book.objects.count()) == (State.STOPPED, False, 4)
    assert run.cause == "Asked to stop (SIGINT) and ended where it stood; what it had stored in batches stays."


def test_a_second_signal_ends_at_once() -> None:
    def main(context: Context) -> None:
        signal.raise_signal(signal.SIGINT)
        assert context.stop_requested
        signal.raise_signal(signal.SIGINT)
        time.sleep(30)

    start = time.monotonic()
    assert execute(main, grace_s=25).state == State.STOPPED
    assert time.monotonic() - start < 20


def test_progress_reaches_the_row_while_the_run_goes_on() -> None:
    seen: list[tuple[int, int | None]] = []

    def main(context: Context) -> None:
        context.progress(size=10)
        context.progress(solved=4, failed=1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not seen:
            run = Runtime.objects.get(pk=context.runtime_id)
            if run.solved:
                seen.append((run.solved, run.progress))
                assert run.eta_at is not None
            time.sleep(0.05)

    run = execute(main)
    assert seen == [(4, 50)]
    assert (run.solved, run.failed, run.task_size, run.eta_at) == (4, 1, 10, None)


def test_a_run_that_was_ended_by_somebody_else_keeps_that_end() -> None:
    def main(context: Context) -> None:
        run = Runtime.objects.get(pk=context.runtime_id)
        assert run.finish(State.CRASHED, at=utc_now(), cause="The run was lost.")

    run = execute(main)
    assert (run.state, run.cause) == (State.CRASHED, "The run was lost.")


@fun_watch
def price_of(item: int) -> int:
    mark_solved()
    structlog.get_logger("trial").info("price.read", item=item)
    return item


@fun_watch
def collect_all(context: Context) -> None:
    for item in range(5):
        price_of(item)


def test_watched_functions_are_counted_and_their_lines_say_the_chain() -> None:
    run = execute(collect_all)
    rows = {
        row.function.qualified_name: row for row in FunctionLog.objects.filter(runtime=run).select_related("function")
    }
    assert {name: row.calls for name, row in rows.items()} == {"collect_all": 1, "price_of": 5}
    assert rows["price_of"].solved == 5
    chains = set(Log.objects.filter(runtime=run, message="price.read").values_list("call_chain", flat=True))
    assert chains == {"collect_all > price_of"}


def test_a_journal_that_cannot_be_opened_is_no_fault_of_the_app(settings: Any, tmp_path: Path) -> None:
    settings.DC_DATA_DIR = tmp_path / "file"
    settings.DC_DATA_DIR.write_text("in the way")
    run = execute(lambda _context: None)
    assert (run.state, run.error_category, run.exit_code) == (State.FAILED, "platform", 1)
    assert run.cause.startswith("The journal of the run cannot be written: Not a directory")
    assert App.objects.get().failures_in_a_row == 0


def test_a_collector_without_a_journal_says_so_to_its_supervisor(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DC_DATA_DIR = tmp_path / "file"
    settings.DC_DATA_DIR.write_text("in the way")
    spec = RunSpec(run_id="r", app_id=1, app_code="examples.shop.books", epoch=1, args={})
    assert run_spec(spec) == NO_JOURNAL
    assert "The journal of the run cannot be written: Not a directory" in capsys.readouterr().err


def test_a_run_by_hand_of_an_exclusive_app_that_cannot_be_written_down_ends_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leash, "CUT_OFF_S", -1.0)
    make_app(is_exclusive=True)
    run = execute(lambda _context: time.sleep(30), grace_s=1)
    assert (run.state, run.exit_code) == (State.STOPPED, 143)


def test_a_run_whose_connection_was_lost_at_its_very_end_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could go away")
    write_end = runner._write_end

    def after_a_restart(*args: Any) -> None:
        pid = connection.connection.info.backend_pid
        with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
        with pytest.raises(DatabaseError):
            # Somebody has noticed already: Django holds on to what the driver knows to be lost.
            App.objects.exists()
        write_end(*args)

    monkeypatch.setattr(runner, "_write_end", after_a_restart)
    monkeypatch.setattr(runner, "END_PAUSE_S", 0.01)
    run = execute(storing(books(range(3))))
    assert (run.state, run.rows_inserted) == (State.SUCCEEDED, 3)
