"""The tick: one QUEUED run for every app whose time has come. The rows are the truth.

Any process may tick at any time. An app is claimed with its row locked, and whoever claims it moves its due time on;
the unique index on (app, due time) says the same once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import connection, transaction
from django.db.models import Count, Max, QuerySet

from apps.registry.models import App
from apps.registry.schedules import next_due_times, whole_second
from apps.runtime.consequences import disable_app
from apps.runtime.doorbells import ring
from apps.runtime.due import Busy, Decision, decide
from apps.runtime.ending import cancel_queued
from apps.runtime.messages import tell_not_run
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.services import issue_command

__all__ = ["due_apps", "next_due_times", "request_due_runs", "set_next_run"]

log = structlog.get_logger("runtime")

#: Apps claimed in one transaction, transactions of one tick, and rows one transaction inserts at most.
BATCH, MOST_BATCHES, MOST_ROWS = 1000, 10, 5000
#: Triggers of runs that a person or a program has asked for.
ASKED_FOR = (Runtime.Trigger.ADMIN, Runtime.Trigger.SHELL, Runtime.Trigger.API)
#: What a decision needs; the rest of a row may be large.
FIELDS = (
    "id",
    "code",
    "kind",
    "schedule",
    "interval_s",
    "cron",
    "time_zone",
    "jitter_s",
    "overlap",
    "missed",
    "max_parallel",
    "queue",
    "next_run_at",
    "next_due_at",
    "is_on_trial",
)


def due_apps(now: datetime) -> QuerySet[App]:
    """The apps whose time has come."""
    return App.objects.filter(is_enabled=True, next_run_at__lte=now).order_by("next_run_at")


def request_due_runs(*, now: datetime) -> list[Runtime]:
    """The tick: the runs that are due by `now`, by the database's clock, are queued. Returns what was queued.

    Several ticks at once queue nothing twice. What is too much for one tick is left to the next.
    """
    requested: list[Runtime] = []
    for _ in range(MOST_BATCHES):
        # Asked without a lock: most ticks find nothing, and cost one look at an index.
        if not due_apps(now).exists():
            break
        runs, is_more = _request_batch(now)
        requested += runs
        if not is_more:
            break
    return requested


@transaction.atomic
def _request_batch(now: datetime) -> tuple[list[Runtime], bool]:
    apps = list(due_apps(now).select_for_update(skip_locked=True, no_key=True).only(*FIELDS)[:BATCH])
    busy = _busy(apps)
    decisions: list[Decision] = []
    rows: list[Runtime] = []
    for app in apps:
        if len(rows) >= MOST_ROWS:
            break
        decision = decide(app, busy.get(app.pk, Busy()), now=now)
        decisions.append(decision)
        rows += _rows(decision, now)
    for decision in decisions:
        if decision.replaces:
            _make_room(decision.app, now)
        if decision.fault:
            _disable(decision.app, decision.fault, now)
    inserted = _insert(rows)
    _advance(decisions)
    _tell_skipped(inserted, now)
    requested = [run for run in inserted if run.state == State.QUEUED]
    for queue in {run.queue for run in requested}:
        transaction.on_commit(partial(ring, queue))
    return requested, len(apps) == BATCH or len(decisions) < len(apps)


def _busy(apps: Iterable[App]) -> dict[int, Busy]:
    runs = Runtime.objects.filter(app__in=[app.pk for app in apps], state__in=(State.QUEUED, *LIVE))
    counted = runs.order_by().values_list("app_id").annotate(Count("id"), Max("id"))
    return {app_id: Busy(count, example) for app_id, count, example in counted}


# -- Writing it down ------------------------------------------------------------------------------------------------


def _rows(decision: Decision, now: datetime) -> list[Runtime]:
    app = decision.app
    queued = [
        Runtime(
            app=app,
            trigger=Runtime.Trigger.SCHEDULE,
            due_at=due,
            queued_at=now,
            args={},
            queue=app.queue,
            is_trial=app.is_on_trial and number == 0,
        )
        for number, due in enumerate(decision.run)
    ]
    skipped = [
        Runtime(
            app=app,
            state=State.SKIPPED,
            trigger=Runtime.Trigger.SCHEDULE,
            due_at=due,
            queued_at=now,
            ended_at=now,
            cause=cause,
            queue=app.queue,
        )
        for due, cause in decision.skip
    ]
    return [*skipped, *queued]


def _insert(rows: list[Runtime]) -> list[Runtime]:
    """Insert those whose due time has no row yet, and return them."""
    if not rows:
        return []
    Runtime.objects.bulk_create(rows, ignore_conflicts=True)
    there = set(Runtime.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    return [row for row in rows if row.pk in there]


def _advance(decisions: Iterable[Decision]) -> None:
    adapt = connection.ops.adapt_datetimefield_value
    values = [(adapt(one.next_due), adapt(one.next_run), one.app.pk) for one in decisions]
    if values:
        with connection.cursor() as cursor:
            # One round trip for all of them; a row that was locked here is nobody else's to change meanwhile.
            cursor.executemany("UPDATE registry_app SET next_due_at = %s, next_run_at = %s WHERE id = %s", values)


def _make_room(app: App, now: datetime) -> None:
    """Ask the oldest runs of the app to stop, so that one more has a place.

    What a person has asked for and what has not begun is left alone: the new run waits for its turn.
    """
    runs = list(Runtime.objects.filter(app=app, state__in=(State.QUEUED, *LIVE)).order_by("queued_at", "id"))
    replaceable = [run for run in runs if run.state != State.QUEUED or run.trigger not in ASKED_FOR]
    for run in replaceable[: len(runs) - app.max_parallel + 1]:
        issue_command(app, Command.Verb.STOP, source=Command.Source.PLATFORM, runtime=run, now=now)


def _disable(app: App, reason: str, now: datetime) -> None:
    disable_app(app, fatal=App.Fatal.BLOCKED, reason=reason, now=now)
    cancel_queued(app.pk, now=now, cause="The app was disabled.")


def _tell_skipped(rows: Iterable[Runtime], now: datetime) -> None:
    skipped = [row for row in rows if row.state == State.SKIPPED]
    if not skipped:
        return
    try:
        with transaction.atomic():
            for run in skipped:
                tell_not_run(run, now=now)
    except Exception:
        log.exception("skipped.not_told", count=len(skipped))


# -- A run that sets the next run of its app ------------------------------------------------------------------------


@transaction.atomic
def set_next_run(app: App, *, at: datetime, seen_version: int, now: datetime) -> bool:
    """Make `at` the next due time of the app, unless its schedule was changed since `seen_version` was read.

    A time that is past, or that has had its run, becomes the next second. False when nothing was changed: somebody
    else decided meanwhile, or no clock starts the app.
    """
    row = App.objects.select_for_update(no_key=True).only(*FIELDS, "schedule_version", "is_enabled").get(pk=app.pk)
    if row.schedule_version != seen_version or not row.is_enabled or row.kind != App.Kind.MANAGED:
        return False
    runs = Runtime.objects.filter(app=row, trigger=Runtime.Trigger.SCHEDULE)
    due = whole_second(at)
    if due <= now or runs.filter(due_at=due).exists():
        due = whole_second(now) + timedelta(seconds=1)
        while runs.filter(due_at=due).exists():
            due += timedelta(seconds=1)
    row.next_due_at = row.next_run_at = due
    row.schedule_version += 1
    row.save(update_fields=["next_due_at", "next_run_at", "schedule_version"])
    return True
