"""Invariant of the schedule, on the database: every due time has one row, in order, and none is missing.

Hypothesis chooses what happens: ticks of two clocks, one of them in the middle of its work while the other ticks, one
that dies before it commits, a clock that is silent for hours, one that jumps back, and changed schedules.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.registry.models import App
from apps.registry.schedules import plan_next
from apps.registry.services import change_app
from apps.runtime.models import Runtime, State
from apps.runtime.scheduling import request_due_runs
from tests.cron_scan import Fields, changes, scan
from tests.integration.factories import make_app

SECOND = timedelta(seconds=1)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC")
CRONS = (
    Fields(minutes=frozenset(range(0, 60, 7))),
    Fields(minutes=frozenset({0, 10, 20, 30, 40, 50}), hours=frozenset({0, 1, 2, 3})),
)


class DyingClock(Exception):
    """A clock that ends before it commits."""


class Model:
    """What one app must have done, computed in the simplest way."""

    def __init__(self, planned_at: datetime, interval: int | None, fields: Fields | None, zone: str) -> None:
        self.planned_at, self.interval, self.fields, self.zone = planned_at, interval, fields, zone
        self.seen_until = planned_at
        """Due times until then have been dealt with."""
        self.rows: set[datetime] = set()

    def due(self, until: datetime) -> list[datetime]:
        """All due times after `seen_until`."""
        if self.fields is not None:
            return scan(self.fields, self.zone, self.seen_until, until)
        interval, found = timedelta(seconds=self.interval or 0), []
        moment = self.planned_at + interval
        while moment <= until:
            if moment > self.seen_until:
                found.append(moment)
            moment += interval
        return found

    def tick(self, now: datetime) -> None:
        due = self.due(now)
        # At most a hundred are made up for; one more row says that there were more.
        self.rows |= set(due[-101:])
        self.seen_until = max(self.seen_until, now)


class Schedules(RuleBasedStateMachine):
    @initialize(data=st.data())
    def begin(self, data: Any) -> None:
        zone = data.draw(st.sampled_from(ZONES))
        near = changes(zone, 2026, 2026) or (datetime(2026, 3, 1, tzinfo=UTC),)
        hours = data.draw(st.integers(0, 4))
        self.now = data.draw(st.sampled_from(near)) - timedelta(hours=hours)
        fields = data.draw(st.sampled_from(CRONS))
        every = data.draw(st.integers(40, 400))
        wait_and_all = {"is_enabled": True, "missed": "ALL", "overlap": "QUEUE"}
        self.apps = [
            make_app("a.b.interval", schedule="INTERVAL", interval_s=every, **wait_and_all),
            make_app("a.b.cron", schedule="CRON", cron=str(fields), time_zone=zone, **wait_and_all),
            make_app(
                "a.b.other",
                is_enabled=True,
                schedule="INTERVAL",
                interval_s=every,
                jitter_s=data.draw(st.sampled_from((0, 5, 1000))),
                missed=data.draw(st.sampled_from(App.Missed.values)),
                overlap=data.draw(st.sampled_from(App.Overlap.values)),
            ),
        ]
        for app in self.apps:
            plan_next(app, now=self.now)
            app.save()
        self.models = {
            self.apps[0].pk: Model(self.now, every, None, zone),
            self.apps[1].pk: Model(self.now, None, fields, zone),
        }

    # -- Time -------------------------------------------------------------------------------------------------------

    @rule(seconds=st.integers(1, 600))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(minutes=st.integers(-180, 12 * 60))
    def the_clock_jumps(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    # -- Clocks -----------------------------------------------------------------------------------------------------

    @rule()
    def a_clock_ticks(self) -> None:
        request_due_runs(now=self.now)
        self._ticked(self.now)

    @rule()
    def a_clock_dies_in_the_middle(self) -> None:
        with suppress(DyingClock), transaction.atomic():
            request_due_runs(now=self.now)
            raise DyingClock

    @precondition(lambda self: connection.vendor == "postgresql")  # SQLite has one writer at a time
    @rule(dies=st.booleans(), seconds=st.integers(0, 120))
    def two_clocks_tick_at_once(self, dies: bool, seconds: int) -> None:
        earlier = self.now - seconds * SECOND
        with suppress(DyingClock), transaction.atomic():
            request_due_runs(now=earlier)
            in_another_connection(self.now)
            if dies:
                raise DyingClock
        if not dies:
            self._ticked(earlier)
        # What the second clock could not have because the first held it is the next tick's.
        request_due_runs(now=self.now)
        self._ticked(self.now)

    def _ticked(self, now: datetime) -> None:
        """Managers take what was queued, and the models do what was asked of the clock."""
        self.queued_runs_end()
        for model in self.models.values():
            model.tick(now)

    def queued_runs_end(self) -> None:
        Runtime.objects.filter(state=State.QUEUED).update(state=State.CANCELLED, ended_at=self.now)

    # -- What else happens ------------------------------------------------------------------------------------------

    @rule(every=st.integers(40, 400))
    def somebody_changes_the_interval(self, every: int) -> None:
        app = self.apps[0]
        before = App.objects.get(pk=app.pk)
        change_app(app, now=self.now, interval_s=every)
        if before.interval_s != every:
            model = self.models[app.pk]
            model.planned_at, model.interval = self.now, every
            model.seen_until = self.now

    # -- What holds -------------------------------------------------------------------------------------------------

    @invariant()
    def every_due_time_has_its_row_and_nothing_else_has(self) -> None:
        for app_id, model in getattr(self, "models", {}).items():
            rows = list(Runtime.objects.filter(app_id=app_id).values_list("due_at", flat=True))
            assert len(rows) == len(set(rows))
            assert set(rows) == model.rows

    @invariant()
    def the_next_due_time_lies_ahead_of_all_that_ran(self) -> None:
        for app in App.objects.all() if hasattr(self, "apps") else ():
            assert app.is_enabled, app.fatal_reason
            assert app.next_due_at is not None
            assert app.next_run_at is not None
            assert app.next_due_at <= app.next_run_at
            newest = Runtime.objects.filter(app=app).order_by("-due_at").first()
            if newest is not None and newest.due_at is not None and app.pk != self.apps[0].pk:
                assert newest.due_at < app.next_due_at

    def teardown(self) -> None:
        Runtime.objects.all().delete()
        App.objects.all().delete()


def in_another_connection(now: datetime) -> None:
    """The tick of another clock, to its end."""
    errors: list[Exception] = []

    def tick() -> None:
        try:
            request_due_runs(now=now)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    thread = Thread(target=tick)
    thread.start()
    thread.join()
    assert errors == []


@pytest.mark.hypothesis
@pytest.mark.django_db(databases="__all__", transaction=True)
def test_every_due_time_has_one_row_in_order_and_none_is_missing() -> None:
    # Without shrinking: each try costs a database, and what failed is said in full anyway.
    run_state_machine_as_test(Schedules, settings=settings(phases=(Phase.explicit, Phase.generate)))
