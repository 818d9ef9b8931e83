"""Runs and commands for programs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query

from apps.accounts.models import User
from apps.api.access import asker, visible
from apps.api.paging import but, page_of
from apps.api.problems import Problem, problem_response
from apps.api.schemas import Listing, RowNumber, RunId, reply
from apps.api.section import Section
from apps.registry.models import App
from apps.runtime.api_schemas import CommandFilter, CommandOut, RunDetails, RunFilter, RunOut
from apps.runtime.models import Command, Runtime
from apps.runtime.services import issue_command

section = Section("runs")

VIEW_RUN, VIEW_COMMAND, COMMAND = "runtime.view_runtime", "runtime.view_command", "runtime.add_command"
#: Columns that only the page of a run needs; in a list they cost more than all others.
LARGE = ("http_summary", "touched_objects", "limits")
APP_BUT_CODE = but("app", App, "code")
COMMANDS_PATH = "/api/v1/commands"


@section.get("/runtimes", name="listRuns", permission=VIEW_RUN, answer=Listing[RunOut])
def list_runs(request: HttpRequest, wanted: Query[RunFilter]) -> HttpResponse:
    """Runs, newest first."""
    rows = visible(request, VIEW_RUN, Runtime.objects.select_related("app").defer(*LARGE, *APP_BUT_CODE))
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    if wanted.state:
        rows = rows.filter(state__in=wanted.state)
    if wanted.trigger:
        rows = rows.filter(trigger=wanted.trigger)
    if wanted.queued_from:
        rows = rows.filter(queued_at__gte=wanted.queued_from)
    if wanted.queued_to:
        rows = rows.filter(queued_at__lt=wanted.queued_to)
    return reply(page_of(rows, ("-queued_at", "-id"), wanted, run_out))


@section.get("/runtimes/{run_id}", name="getRun", permission=VIEW_RUN, answer=RunDetails)
def get_run(request: HttpRequest, run_id: Path[RunId]) -> HttpResponse:
    """One run."""
    run = find_run(request, VIEW_RUN, run_id)
    return reply(RunDetails.model_construct(**_values(run, RunDetails)))


@section.post(
    "/runtimes/{run_id}/stop", name="stopRun", is_recorded=False, permission=COMMAND, answer=CommandOut, status=202
)
def stop_run(request: HttpRequest, run_id: Path[RunId]) -> HttpResponse:
    """Ask one run to stop."""
    run = find_run(request, COMMAND, run_id)
    return command_reply(request, order(request, run.app, Command.Verb.STOP, runtime=run))


@section.get("/commands", name="listCommands", permission=VIEW_COMMAND, answer=Listing[CommandOut])
def list_commands(request: HttpRequest, wanted: Query[CommandFilter]) -> HttpResponse:
    """Commands, newest first."""
    rows = visible(request, VIEW_COMMAND, _commands())
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    if wanted.verb:
        rows = rows.filter(verb=wanted.verb)
    if wanted.is_open is not None:
        rows = rows.filter(finished_at__isnull=wanted.is_open)
    return reply(page_of(rows, ("-id",), wanted, command_out))


@section.get("/commands/{command_id}", name="getCommand", permission=VIEW_COMMAND, answer=CommandOut)
def get_command(request: HttpRequest, command_id: Path[RowNumber]) -> HttpResponse:
    """What became of a command."""
    command = visible(request, VIEW_COMMAND, _commands()).filter(pk=command_id).first()
    if command is None:
        raise Problem("not-found", f"There is no command {command_id}.")
    return reply(command_out(command))


def _commands() -> QuerySet[Command]:
    return Command.objects.select_related("app", "issuer").defer(*APP_BUT_CODE, *but("issuer", User, "username"))


def find_run(request: HttpRequest, permission: str, run_id: str) -> Runtime:
    """A run that who asks may see. Raises `Problem`."""
    run = visible(request, permission, Runtime.objects.select_related("app")).filter(pk=run_id).first()
    if run is None:
        raise Problem("not-found", f"There is no run {run_id}.")
    return run


def order(request: HttpRequest, app: App, verb: Command.Verb, **values: Any) -> Command:
    """A command by who asks."""
    return issue_command(app, verb, source=Command.Source.API, issuer=asker(request).user, **values)


def command_reply(request: HttpRequest, command: Command) -> HttpResponse:
    """202 and where to poll; 409 for a command that was refused at once, which is kept like any other."""
    place = f"{COMMANDS_PATH}/{command.pk}"
    if command.state in (Command.Progress.NOT_EXECUTED, Command.Progress.EXPIRED):
        return problem_response(request, Problem("conflict", command.reason, headers={"Location": place}))
    return reply(command_out(command), 202, Location=place)


def command_out(command: Command) -> CommandOut:
    """A command as it is shown."""
    return CommandOut(
        id=command.pk,
        app=command.app.code,
        verb=command.verb,
        state=command.state,
        reason=command.reason,
        runtime=command.runtime_id,
        args=command.args,
        limit=command.limit,
        dry_run=command.is_dry_run,
        source=command.source,
        issuer=command.issuer.get_username() if command.issuer else None,
        created_at=command.created_at,
        deadline_at=command.deadline_at,
        claimed_at=command.claimed_at,
        finished_at=command.finished_at,
    )


def run_out(run: Runtime) -> RunOut:
    """A run as a list shows it."""
    return RunOut.model_construct(**_values(run, RunOut))


def _values(run: Runtime, shape: type[RunOut]) -> dict[str, Any]:
    # The row was checked when it was written; checking a hundred of them again takes longer than reading them.
    return {name: run.app.code if name == "app" else getattr(run, name) for name in shape.model_fields}
