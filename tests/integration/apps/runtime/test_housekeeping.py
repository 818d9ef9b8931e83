"""What a manager does every second besides its runs."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from apps.core.clock import database_now
from apps.registry.models import App
from apps.runtime import housekeeping, marks
from apps.runtime.claims import nothing_to_drain
from apps.runtime.housekeeping import Housekeeping, Job, tick_if_nobody_does, usual_jobs
from apps.runtime.models import Runtime
from apps.runtime.node_models import Mark
from apps.runtime.tasks import tick
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def due_app(now: datetime | None = None) -> App:
    due = (now or database_now()).replace(microsecond=0)
    return make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=3600, next_run_at=due, next_due_at=due)


def test_it_is_the_clock_while_nobody_else_is() -> None:
    due_app()
    tick_if_nobody_does()
    assert Runtime.objects.count() == 1
    assert Mark.objects.filter(pk="clock").exists()


def test_it_leaves_the_clock_to_whoever_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = database_now()
    monkeypatch.setattr(housekeeping, "database_now", lambda: now)
    tick()
    due_app(now)
    tick_if_nobody_does()
    assert Runtime.objects.count() == 0
    Mark.objects.update(at=now - timedelta(seconds=4))
    tick_if_nobody_does()
    assert Runtime.objects.count() == 1


def test_a_mark_that_lies_ahead_counts_as_old() -> None:
    now = database_now()
    marks.stamp("clock", now=now + timedelta(hours=2))
    assert marks.is_older("clock", timedelta(seconds=3), now=now)


def test_a_job_that_fails_stops_no_other_and_is_tried_again() -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("tried")
        raise RuntimeError("no")

    jobs = [Job("fails", fail, every_s=0), Job("works", lambda: done.append("worked"), every_s=0)]
    keeping = Housekeeping(jobs)
    keeping.step()
    keeping.step()
    assert done == ["tried", "worked"] * 2


def test_a_job_is_done_when_its_turn_has_come() -> None:
    done: list[str] = []
    keeping = Housekeeping([Job("rare", lambda: done.append("rare"), every_s=3600)])
    keeping.step()
    keeping.step()
    assert done == ["rare"]


def test_the_usual_jobs_all_work(tmp_path: Path) -> None:
    jobs = usual_jobs(tmp_path, nothing_to_drain)
    for job in jobs:
        job.next_at = 0.0
    keeping = Housekeeping(jobs, sinks_of=tmp_path)
    keeping.start()
    deadline = time.monotonic() + 20
    while any(job.next_at == 0.0 for job in jobs) and time.monotonic() < deadline:
        time.sleep(0.05)
    keeping.close()
    assert [job.name for job in jobs if job.is_failing or job.next_at == 0.0] == []
