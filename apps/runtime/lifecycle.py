"""How an app leaves: off the clock, marked for removal, and at last its rows. Source files are never touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.logs.group_models import ErrorGroupApp
from apps.logs.models import JournalFile
from apps.registry.models import App
from apps.registry.schedules import describe_schedule
from apps.registry.services import change_app
from apps.runtime.ending import cancel_queued, end_run
from apps.runtime.function_models import AppFunction
from apps.runtime.models import ENDED, Command, Runtime, State
from apps.runtime.run_removal import delete_runs
from apps.runtime.services import issue_command
from apps.runtime.switching import disable

GRACE_DAYS, MOST_GRACE_DAYS = 30, 3650
BATCH = 5_000


class StillRunning(Exception):
    """An app with live runs cannot be purged; the message names them."""


def unmanage(app: App, *, source: Command.Source, now: datetime, issuer: User | None = None) -> App:
    """Take an app off the clock: it runs only when somebody starts it. What the clock had queued is cancelled."""
    with transaction.atomic():
        record("app.unmanaged", app.code, source=source, actor=issuer, now=now, schedule=describe_schedule(app))
        row = change_app(app, now=now, kind=App.Kind.STANDALONE, schedule=App.Schedule.MANUAL)
        automatic = (Runtime.Trigger.SCHEDULE, Runtime.Trigger.RETRY)
        for run in Runtime.objects.filter(app=row, state=State.QUEUED, trigger__in=automatic):
            end_run(run, State.CANCELLED, now=now, cause="The app was taken off the clock.")
    return row


def request_removal(
    app: App, *, grace_days: int, source: Command.Source, now: datetime, issuer: User | None = None
) -> datetime:
    """Disable an app, and have retention purge it when the grace is over. Returns when that is."""
    remove_after = now + timedelta(days=grace_days)
    with transaction.atomic():
        issue_command(app, Command.Verb.DISABLE, source=source, issuer=issuer, now=now)
        App.objects.filter(pk=app.pk).update(remove_after=remove_after, modified_at=now)
        after = remove_after.isoformat()
        record("app.removal_requested", app.code, source=source, actor=issuer, now=now, remove_after=after)
    return remove_after


@transaction.atomic
def cancel_removal(app: App, *, source: Command.Source, now: datetime, issuer: User | None = None) -> bool:
    """Keep an app after all; it stays disabled. False when nobody had asked for its removal."""
    waiting = App.objects.filter(pk=app.pk, remove_after__isnull=False)
    if not waiting.update(remove_after=None, modified_at=now):
        return False
    record("app.removal_cancelled", app.code, source=source, actor=issuer, now=now)
    return True


def due_removals(*, now: datetime) -> QuerySet[App]:
    """Apps whose grace is over and that do not run."""
    live = Runtime.objects.live().values("app")
    return App.objects.filter(remove_after__lte=now).exclude(pk__in=live)


def purge_app(
    app: App, *, source: Command.Source, now: datetime, issuer: User | None = None
) -> Iterator[tuple[str, int]]:
    """Delete the rows of an app in small batches: table and how many. What its sources collected is kept.

    May be broken off anywhere and begun again; the row of the app goes last. Raises `StillRunning`.
    """
    tell = partial(record, subject=app.code, source=source, actor=issuer, now=now)
    with transaction.atomic():
        row = App.objects.select_for_update(no_key=True).filter(pk=app.pk).first()
        if row is None:
            return
        _refuse_live(row)
        disable(row, now=now)
        cancel_queued(row.pk, now=now, cause="The app was purged.")
        tell("app.purge_begun")
    deleted: Counter[str] = Counter()
    for table, count in _rows_of(app):
        deleted[table] += count
        yield table, count
    with transaction.atomic():
        row = App.objects.select_for_update().get(pk=app.pk)
        _refuse_live(row)
        row.delete()
        tell("app.purged", deleted=deleted)
    yield "apps", 1


def _rows_of(app: App) -> Iterator[tuple[str, int]]:
    for count in delete_runs(Runtime.objects.filter(app=app, state__in=ENDED), is_real=True):
        yield "runs", count
    for name, rows in _belongings(app).items():
        while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
            rows.model._default_manager.filter(pk__in=batch).delete()
            yield name, len(batch)


def _belongings(app: App) -> dict[str, QuerySet]:  # type: ignore[type-arg]  # rows of several tables
    return {
        "commands": Command.objects.filter(app=app).order_by("pk"),
        "journals": JournalFile.objects.filter(app=app).order_by("pk"),
        "functions": AppFunction.objects.filter(app=app).order_by("pk"),
        "error groups": ErrorGroupApp.objects.filter(app=app).order_by("pk"),
    }


def _refuse_live(app: App) -> None:
    live = list(Runtime.objects.live().filter(app=app).values_list("pk", flat=True))
    if live:
        raise StillRunning(f"{app.code} is running (run {', '.join(live)}); stop it first.")
