"""How what a run left behind is written down, on a real database and real journals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError

from apps.core.clock import utc_now
from apps.runtime import endings as endings_module
from apps.runtime.endings import Ending, Endings
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.models import Runtime, State
from apps.runtime.shipper import Shipper
from apps.runtime.supervision.spec import ExitReport
from collectors.toolkit.journal import Journal
from tests.integration.factories import make_app, make_node, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def rung() -> list[str]:
    return []


@pytest.fixture
def endings(settings: Any, tmp_path: Path, rung: list[str]) -> Iterator[Endings]:
    settings.DC_DATA_DIR = tmp_path
    thread = Endings(journal_root(), Shipper(journal_root()), rung.extend)
    yield thread
    thread.close(wait_s=0)


def living(**values: Any) -> Runtime:
    return make_run(
        make_app(), values.pop("state", State.RUNNING), owner=make_node(), **{"started_at": utc_now(), **values}
    )


def journal_of(run: Runtime, *frames: tuple[str, dict[str, Any]], sealed: bool = True) -> Journal:
    journal = open_journal(run)
    for kind, data in frames:
        journal.write(kind, data, urgent=True)
    if sealed:
        journal.close()
    return journal


SUCCEEDED = ("end", {"state": "SUCCEEDED", "cause": "", "rows_seen": 7})


def test_a_run_ends_with_its_last_words_and_all_its_lines(endings: Endings, rung: list[str]) -> None:
    run = living()
    journal_of(run, ("log", {"event": "page.fetched", "level": 20}), SUCCEEDED)
    assert endings.write_down(Ending(run.pk, ExitReport(code=0)), now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.rows_seen, run.exit_code, run.journal_complete) == (State.SUCCEEDED, 7, 0, True)
    assert run.logs.count() == 1
    assert rung == [run.pk]


def test_a_run_that_was_over_before_its_beginning_was_written_has_both(endings: Endings) -> None:
    run = living(state=State.STARTING, started_at=None)
    journal_of(run, SUCCEEDED)
    begun = {"started_at": utc_now(), "pid": 5, "pid_started": 6, "limits_by": "shim"}
    assert endings.write_down(Ending(run.pk, ExitReport(code=0), begun), now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.pid, run.started_at) == (State.SUCCEEDED, 5, begun["started_at"])


def test_it_waits_for_the_last_lines_and_in_the_end_goes_without_them(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = living()
    # Its writer is this process, which lives, so more may follow.
    journal = journal_of(run, SUCCEEDED, sealed=False)
    ending = Ending(run.pk, ExitReport(code=0))
    assert not endings.write_down(ending, now=utc_now())
    assert Runtime.objects.get(pk=run.pk).state == State.RUNNING
    monkeypatch.setattr(endings_module, "PATIENCE_S", 0.0)
    assert endings.write_down(ending, now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.journal_complete) == (State.SUCCEEDED, False)
    journal.close()


def test_while_the_database_is_away_nothing_ends_and_nothing_is_forgotten(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = living()
    journal_of(run, SUCCEEDED)
    drain, refusals = endings.shipper.drain, iter(range(3))

    def away(run_id: str) -> bool:
        if next(refusals, None) is not None:
            raise OperationalError("the server closed the connection")
        return drain(run_id)

    monkeypatch.setattr(endings.shipper, "drain", away)
    monkeypatch.setattr(endings_module, "PATIENCE_S", 0.0)
    endings.start()
    endings.add(Ending(run.pk, ExitReport(code=0)))
    deadline = time.monotonic() + 20
    while endings.run_ids() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.refresh_from_db()
    assert (run.state, run.journal_complete) == (State.SUCCEEDED, True)
    assert endings.close(wait_s=10)


@pytest.mark.parametrize(
    "odd", [{"solved": -1}, {"solved": "many"}, {"task_size": -5}, {"rows_seen": 10**30}, {"is_blocked": "perhaps"}]
)
def test_a_run_that_reports_impossible_numbers_ends_without_them(endings: Endings, odd: dict[str, Any]) -> None:
    run = living()
    journal_of(run, ("end", {"state": "SUCCEEDED", "cause": "", **odd}))
    assert endings.write_down(Ending(run.pk, ExitReport(code=0)), now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.solved, run.rows_seen, run.is_blocked) == (State.SUCCEEDED, 0, 0, False)


def test_one_run_that_cannot_be_written_down_keeps_no_other_from_ending(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = living()
    other = make_run(make_app("shop.books.other"), State.RUNNING, owner=odd.owner, started_at=utc_now())
    for run in (odd, other):
        journal_of(run, SUCCEEDED)
    write_down = endings.write_down

    def broken(ending: Ending, *, now: datetime) -> bool:
        if ending.run_id == odd.pk:
            raise RuntimeError("nobody thought of this")
        return write_down(ending, now=now)

    monkeypatch.setattr(endings, "write_down", broken)
    endings.start()
    for run in (odd, other):
        endings.add(Ending(run.pk, ExitReport(code=0)))
    deadline = time.monotonic() + 20
    while other.pk in endings.run_ids() and time.monotonic() < deadline:
        time.sleep(0.05)
    other.refresh_from_db()
    assert (other.state, endings.run_ids()) == (State.SUCCEEDED, {odd.pk})
    monkeypatch.undo()
    assert endings.close(wait_s=10)


def test_a_journal_that_the_database_refuses_keeps_no_run_from_ending(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = living()
    journal_of(run, SUCCEEDED)

    def refused(_run_id: str) -> bool:
        raise DataError("not this")

    monkeypatch.setattr(endings.shipper, "drain", refused)
    ending = Ending(run.pk, ExitReport(code=0))
    assert not endings.write_down(ending, now=utc_now())
    monkeypatch.setattr(endings_module, "PATIENCE_S", 0.0)
    assert endings.write_down(ending, now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.journal_complete) == (State.SUCCEEDED, False)


def test_a_run_that_somebody_else_ended_keeps_that_end_and_its_lines_are_shipped(endings: Endings) -> None:
    run = living()
    journal_of(run, ("log", {"event": "late", "level": 20}), SUCCEEDED)
    assert run.finish(State.CRASHED, at=utc_now(), cause="The run was lost.")
    assert endings.write_down(Ending(run.pk, ExitReport(code=0)), now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.cause) == (State.CRASHED, "The run was lost.")
    assert run.logs.get().message == "late"


def test_a_run_of_a_lost_manager_is_not_ended_while_a_process_of_it_lives(endings: Endings) -> None:
    run = living(pid=1, pid_started=1)
    journal = journal_of(run, SUCCEEDED, sealed=False)
    assert not endings.write_down(Ending(run.pk), now=utc_now())
    journal.close()


def test_a_run_that_left_nothing_at_all_was_lost_with_its_manager(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = living(state=State.STOPPING, started_at=None)
    # Its supervisor may be about to start it.
    monkeypatch.setattr(endings_module, "SETTLE_S", 3600.0)
    assert not endings.write_down(Ending(run.pk), now=utc_now())
    monkeypatch.setattr(endings_module, "SETTLE_S", 0.0)
    assert endings.write_down(Ending(run.pk), now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.cause, run.error_category) == (State.CRASHED, "Its manager was lost.", "platform")
