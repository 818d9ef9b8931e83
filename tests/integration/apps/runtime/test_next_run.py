"""A run that sets the next run of its app: from the source to the schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.registry.services import change_app
from apps.runtime.claims import open_run
from apps.runtime.endings import Ending, Endings
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.models import Runtime, State
from apps.runtime.next_run import next_run_words, obey_next_run
from apps.runtime.process import identify_self
from apps.runtime.runner import execute
from apps.runtime.shipper import Shipper
from apps.runtime.specs import spec_of
from apps.runtime.supervision import ExitReport, RunSpec
from collectors.contract import Context, Outcome
from tests.integration.factories import make_app, make_run, make_source

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

LATER = datetime(2030, 5, 17, 4, 30, tzinfo=UTC)


def daily(**values: Any) -> App:
    due = utc_now().replace(microsecond=0) + timedelta(days=1)
    schedule = {"schedule": "INTERVAL", "interval_s": 86_400, "next_due_at": due, "next_run_at": due}
    return make_app(**{"is_enabled": True, **schedule, **values})


def run_once(app: App, main: Any, **values: Any) -> Runtime:
    run = open_run(app, owner=identify_self(), args={}, now=utc_now(), **values)
    with Interrupts(grace_s=5, time_limit_s=None) as interrupts:
        execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda _pulse: None)
    return run


def next_run_of(app: App) -> datetime | None:
    app.refresh_from_db()
    return app.next_run_at


def test_what_a_source_hands_back_becomes_the_next_run_of_its_app() -> None:
    app = daily()
    run = run_once(app, lambda context: Outcome(next_run=LATER))
    assert (run.state, next_run_of(app)) == (State.SUCCEEDED, LATER)


def test_an_operator_who_changes_the_schedule_meanwhile_wins() -> None:
    app = daily()

    def main(context: Context) -> Outcome:
        change_app(app, now=utc_now(), interval_s=7200)
        return Outcome(next_run=LATER)

    assert run_once(app, main).state == State.SUCCEEDED
    following = next_run_of(app)
    assert following is not None
    assert following < LATER


@pytest.mark.parametrize("odd", [datetime(2030, 1, 1), date(2030, 1, 1), "tomorrow", 5])  # noqa: DTZ001 - that is odd
def test_an_odd_time_is_ignored_and_the_run_succeeds(odd: Any) -> None:
    app = daily()
    before = app.next_run_at
    run = run_once(app, lambda context: Outcome(next_run=odd))
    assert (run.state, next_run_of(app)) == (State.SUCCEEDED, before)


def test_a_dry_run_sets_nothing() -> None:
    app = daily()
    before = app.next_run_at
    run_once(app, lambda context: Outcome(next_run=LATER), is_dry_run=True)
    assert next_run_of(app) == before


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"next_run": LATER.isoformat()},
        {"next_run": "soon", "schedule_version": 0},
        {"next_run": "0001-01-01T00:00:00+23:59", "schedule_version": 0},
        {"next_run": 7, "schedule_version": 0},
        {"next_run": LATER.isoformat(), "schedule_version": 99},
    ],
)
def test_words_that_make_no_sense_change_nothing(said: dict[str, Any]) -> None:
    app = daily()
    before = app.next_run_at
    obey_next_run(Runtime(app=app), said, now=utc_now())
    assert next_run_of(app) == before


def test_the_words_of_a_run_are_understood_by_whoever_ends_it() -> None:
    app = daily(schedule_version=3)
    said = next_run_words(Runtime(app=app), LATER)
    obey_next_run(Runtime(app=app), said, now=utc_now())
    assert next_run_of(app) == LATER


def test_a_manager_obeys_what_a_collector_left_in_its_journal() -> None:
    app = daily()
    run = make_run(app, State.RUNNING, started_at=utc_now(), epoch=1)
    journal = open_journal(run)
    journal.write("end", {"state": "SUCCEEDED", "cause": "", **next_run_words(run, LATER)}, urgent=True)
    journal.close()
    endings = Endings(journal_root(), Shipper(journal_root()), wake=lambda _runs: None)
    assert endings.write_down(Ending(run.pk, report=ExitReport(code=0)), now=utc_now())
    run.refresh_from_db()
    assert (run.state, next_run_of(app)) == (State.SUCCEEDED, LATER)


def test_a_trial_that_sets_its_next_run_is_obeyed() -> None:
    app = daily(is_on_trial=True, next_run_at=None, next_due_at=None)
    run = run_once(app, lambda context: Outcome(next_run=LATER), is_trial=True)
    app.refresh_from_db()
    assert (run.state, app.is_on_trial, app.next_run_at) == (State.SUCCEEDED, False, LATER)


def test_what_a_collector_is_told_names_the_schedule_that_its_manager_saw() -> None:
    run = make_run(daily(schedule_version=7), State.STARTING)
    spec = spec_of(run)
    assert RunSpec.from_json(spec.as_json()).schedule_version == 7
