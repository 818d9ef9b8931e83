"""What the page of an app says: read here, shown by `templates/console/_app.html` and `_app_facts.html`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.console.selectors import AppLine, strips
from apps.console.tables import Table, visible_tables
from apps.databases.models import AppDbObject
from apps.databases.objects import uses
from apps.logs.group_admin import run_line_url
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.groups import in_inbox
from apps.quality.models import Dataset, Outcome
from apps.registry.arguments import source_of
from apps.registry.cron import BadSchedule, zone_named
from apps.registry.models import App
from apps.registry.schedules import describe_schedule, next_due_times
from apps.runtime.command_steps import CommandLine, commands_of_app
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.trends import Trend, trends_of
from collectors.discovery import find_rooms, installed_rooms

STRIP = 50
DUE_SHOWN = 5
OBJECTS_SHOWN = 12
ERRORS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Due:
    """A due time, as the clocks on two walls show it."""

    there: str
    """In the zone of the app."""
    here: str
    """In the zone of who reads; empty where the two are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPage:
    """How the app does: the part of its page that changes from one second to the next."""

    app: App
    line: AppLine
    live_runs: list[Runtime]
    room_error: str
    schedule: str
    due: list[Due]
    reader_zone: str
    commands: list[CommandLine]
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """A table, view or routine that the app has used."""

    row: AppDbObject
    uses: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class OpenError:
    """An error that nobody has settled."""

    entry: ErrorGroupApp
    url: str
    """Where one reads on; empty for who may see this app alone, when the last line is another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFacts:
    """What surrounds the app: the part that changes from run to run."""

    app: App
    trends: list[Trend]
    tables: list[Table]
    touched: list[Touched] | None
    """None: the reader may not know."""
    datasets: list[tuple[Dataset, Outcome]] | None
    errors: list[OpenError] | None
    description: str
    source: str
    """The file that runs; empty where the source cannot be loaded here."""
    version: str
    """Of the newest run: the digest of the files that ran."""
    measured_at: datetime


def app_page(app: App, *, asker: Any, now: datetime) -> AppPage:
    """Read how `app` does."""
    line = strips([app], STRIP)[0]
    error = next((room.import_error for room in installed_rooms() if room.room.info.code == app.code), None)
    return AppPage(
        app=app,
        line=line,
        live_runs=[run for run in line.runs if run.state in (State.QUEUED, *LIVE)],
        room_error=error if error is not None else _absent(app),
        schedule=describe_schedule(app),
        due=_due_times(app, now),
        reader_zone=timezone.get_current_timezone_name(),
        commands=commands_of_app(app, asker=asker),
        measured_at=now,
    )


def app_facts(app: App, request: HttpRequest, *, now: datetime, runs: list[Runtime] | None = None) -> AppFacts:
    """Read what surrounds `app`, as far as who asks may know it; `runs` are its newest, where they are known."""
    asker = request.user
    runs = strips([app], STRIP)[0].runs if runs is None else runs
    source = source_of(app)
    return AppFacts(
        app=app,
        trends=trends_of(runs),
        tables=visible_tables(request, only_app=app.code),
        touched=_touched(app) if may(asker, "databases.view_appdbobject", app) else None,
        datasets=_datasets(app) if may(asker, "quality.view_dataset") else None,
        errors=_errors(app, request, now) if may(asker, "logs.view_log", app) else None,
        description=app.description,
        source=f"collectors/sources/{app.code.replace('.', '/')}/main.py" if source else "",
        version=next((run.code_version for run in reversed(runs) if run.code_version), ""),
        measured_at=now,
    )


def _absent(app: App) -> str:
    """Why this process knows no room of the app: it came after the start, or it is not there."""
    if find_rooms(settings.DC_SOURCES_PATH, only=app.code):
        return _("It was written after this process was started; start the platform again.")
    return _("Its room is not on this machine.")


def _due_times(app: App, now: datetime) -> list[Due]:
    """The next due times; none while its schedule is wrong."""
    try:
        due = next_due_times(app, after=now, count=DUE_SHOWN)
        zone = zone_named(app.time_zone)
    except BadSchedule:
        return []
    found = []
    for moment in due:
        walls = (zone, timezone.get_current_timezone())
        there, here = (f"{moment.astimezone(wall):%a %Y-%m-%d %H:%M:%S}" for wall in walls)
        found.append(Due(there, "" if there == here else here))
    return found


def _touched(app: App) -> list[Touched]:
    found = []
    for row in AppDbObject.objects.filter(app=app)[: OBJECTS_SHOWN + 1]:
        moments = (row.select_at, row.insert_at, row.update_at, row.delete_at, row.call_at)
        found.append(Touched(row, ", ".join(uses(row)), max(moment for moment in moments if moment)))
    return found


def _datasets(app: App) -> list[tuple[Dataset, Outcome]]:
    return [(one, Outcome(one.outcome)) for one in Dataset.objects.filter(app=app).defer("trend")[:OBJECTS_SHOWN]]


def _errors(app: App, request: HttpRequest, now: datetime) -> list[OpenError]:
    entries = (
        ErrorGroupApp.objects.filter(app=app, group__in=ErrorGroup.objects.filter(in_inbox(now=now)))
        .select_related("group__last_runtime")
        .order_by("-last_seen_at", "-id")
    )
    return [OpenError(entry, _error_url(entry, request)) for entry in entries[:ERRORS_SHOWN]]


def _error_url(entry: ErrorGroupApp, request: HttpRequest) -> str:
    group = entry.group
    if request.user.has_perm("logs.view_log"):
        return reverse("admin:logs_errorgroup_change", args=[group.pk])
    run = group.last_runtime
    if run is None or run.app_id != entry.app_id or group.last_line_number is None:
        return ""
    return run_line_url(run.pk, group.last_line_number)
