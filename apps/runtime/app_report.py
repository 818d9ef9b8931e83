"""How apps do, for the shell: as plain data, and as a table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from rich.table import Table

from apps.registry.models import App
from apps.registry.schedules import describe_schedule
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.open_commands import open_commands


class NoSuchApp(Exception):
    """There is no app with that code; the message names the ones that are meant most likely."""


def find_app(code: str) -> App:
    """The app with this code. Raises `NoSuchApp`."""
    app = App.objects.filter(code=code).first()
    if app is not None:
        return app
    codes = list(App.objects.values_list("code", flat=True))
    close = difflib.get_close_matches(code, codes, n=3, cutoff=0.75)
    close = close or [one for one in codes if one.endswith(f".{code}")]
    hint = f" Did you mean {' or '.join(close)}?" if close else " All there are: manage.py app status"
    raise NoSuchApp(f"There is no app {code}.{hint}")


def describe_apps(apps: QuerySet[App]) -> list[dict[str, Any]]:
    """What is to be said of these apps, ready for JSON."""
    newest = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at", "-id").values("pk")[:1]
    rows = list(apps.annotate(newest=Subquery(newest)).order_by("code"))
    wanted = Runtime.objects.filter(pk__in=[row.newest for row in rows if row.newest])
    runs = {run.pk: run for run in wanted}
    live = {run.app_id: run for run in Runtime.objects.filter(app__in=rows, state__in=LIVE).order_by("queued_at")}
    return [_describe(app, live.get(app.pk) or runs.get(app.newest)) for app in rows]


def describe_app(app: App) -> dict[str, Any]:
    """One app in full: with its open commands."""
    (told,) = describe_apps(App.objects.filter(pk=app.pk))
    commands = open_commands().filter(app=app).order_by("sequence")
    told["commands"] = [{"id": one.pk, "verb": one.verb, "state": one.state} for one in commands]
    return told


def _describe(app: App, run: Runtime | None) -> dict[str, Any]:
    return {
        "code": app.code,
        "state": app_state(app),
        "kind": app.kind,
        "schedule": describe_schedule(app),
        "next_due_at": _iso(app.next_due_at or app.next_run_at),
        "failures_in_a_row": app.failures_in_a_row,
        "fatal": app.fatal,
        "fatal_reason": app.fatal_reason,
        "remove_after": _iso(app.remove_after),
        "run": None if run is None else _describe_run(run),
    }


def describe_command(command: Command) -> dict[str, Any]:
    """What became of a command, ready for JSON."""
    return {
        "command": command.pk,
        "app": command.app.code,
        "verb": command.verb,
        "state": command.state,
        "reason": command.reason,
        "run": command.runtime_id,
        "run_state": command.runtime.state if command.runtime else None,
    }


#: What was asked -> what the app is when it is done.
DONE = {"enable": "enabled", "disable": "disabled", "stop": "stopped", "start": "queued", "restart": "queued"}


def command_sentence(app: App, action: str, command: Command) -> str:
    """What became of a command, for a person."""
    run = f" (run {command.runtime_id})" if command.runtime_id else ""
    if command.finished_at is None:
        return f"{app.code}: {command.verb} is on its way (command {command.pk}){run}."
    return f"{app.code} is {DONE[action]} (command {command.pk}){run}."


def app_state(app: App) -> str:
    """In a word or two whether the app may run."""
    if app.remove_after is not None:
        return "to be removed"
    if app.is_on_trial:
        return "on trial"
    if app.is_enabled:
        return "enabled"
    return "disabled" if app.fatal == App.Fatal.NONE else f"disabled, {app.fatal.lower()}"


def _describe_run(run: Runtime) -> dict[str, Any]:
    return {
        "id": run.pk,
        "state": run.state,
        "cause": run.cause,
        "queued_at": _iso(run.queued_at),
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
        "progress": run.progress,
        "solved": run.solved,
        "failed": run.failed,
        "eta_at": _iso(run.eta_at),
    }


def status_table(told: Iterable[dict[str, Any]]) -> Table:
    """The apps as rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("app", "state", "schedule", "next due (UTC)", "last run (UTC)", "run", "progress"):
        table.add_column(name, overflow="fold", no_wrap=name == "app")
    for one in told:
        run = one["run"]
        table.add_row(
            one["code"],
            one["state"],
            one["schedule"],
            _short(one["next_due_at"]),
            _short(run and (run["started_at"] or run["queued_at"])),
            run["state"].lower() if run else "-",
            progress_text(run) if run else "-",
        )
    return table


def progress_text(run: dict[str, Any]) -> str:
    """How far a live run is; nothing is said of one that has ended."""
    if run["state"] not in LIVE:
        return "-" if run["state"] != State.QUEUED else "waits"
    percent = "" if run["progress"] is None else f"{run['progress']} %, "
    return f"{percent}{run['solved']} solved, {run['failed']} failed"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _short(moment: str | None) -> str:
    return moment[:19].replace("T", " ") if moment else "-"
