"""Apps for programs. What acts on an app acts on its runs, so this lives where both are known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query

from apps.accounts.audit import API, record
from apps.accounts.models import User
from apps.api.access import asker, visible
from apps.api.once import derived_key
from apps.api.paging import part_of
from apps.api.problems import Fault, Problem
from apps.api.schemas import AppCode, Listing, Many, reply
from apps.api.section import Section
from apps.api.versions import check_version
from apps.console.app_rows import app_out, apps_of, filtered, find_app, last_runs, place_of, version_of
from apps.console.app_schemas import (
    AppChange,
    AppFilter,
    AppNew,
    AppOut,
    Bulk,
    BulkAnswer,
    BulkItem,
    Enable,
    Removal,
    Start,
    Stop,
)
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.registry.services import BadArguments, change_app, register_app
from apps.runtime.api import command_reply, order
from apps.runtime.api_schemas import CommandOut
from apps.runtime.lifecycle import cancel_removal, request_removal
from apps.runtime.models import Command, Runtime
from apps.runtime.services import check_args, why_refused
from collectors.discovery import installed_rooms

section = Section("apps")

VIEW, CHANGE, ADD, DELETE, COMMAND = (
    *("registry.view_app", "registry.change_app", "registry.add_appparent", "registry.delete_app"),
    "runtime.add_command",
)
#: What a verb takes, as on the page of an app.
PERMISSIONS = {
    Command.Verb.START: COMMAND,
    Command.Verb.STOP: COMMAND,
    Command.Verb.RESTART: COMMAND,
    Command.Verb.ENABLE: CHANGE,
    Command.Verb.DISABLE: CHANGE,
}


@section.get("/apps", name="listApps", permission=VIEW, answer=Listing[AppOut])
def list_apps(request: HttpRequest, wanted: Query[AppFilter]) -> HttpResponse:
    """Apps, in the order of their codes."""
    rows = filtered(apps_of(request, VIEW), wanted)
    apps, following = part_of(rows, ("code",), wanted)
    runs = last_runs(apps)
    return reply(Listing[AppOut].model_construct(items=[app_out(app, runs) for app in apps], next_cursor=following))


@section.post("/apps", name="createApp", permission=ADD, answer=AppOut, status=201)
def create_app(request: HttpRequest, new: AppNew) -> HttpResponse:
    """Put a source that is on disk on the register. It starts disabled."""
    if not asker(request).may(ADD, new.code):
        raise Problem("not-allowed", f"This needs the permission {ADD} for {new.code}.")
    room = next((each.room for each in installed_rooms() if each.room.info.code == new.code), None)
    if room is None:
        detail = f"There is no source {new.code} on this machine: its folder is missing, or came after the start."
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/code")])
    if App.objects.filter(code=new.code).exists():
        raise Problem("conflict", f"{new.code} is on the register already.")
    register_app(room.info, description=new.description, kind=App.Kind(new.kind))
    app = find_app(request, VIEW, new.code)
    return reply(app_out(app), 201, Location=place_of(app), ETag=version_of(app))


# Before the address of one app, which it would be taken for.
@section.post(
    "/apps/commands", name="commandApps", is_recorded=False, permission=VIEW, answer=BulkAnswer, is_atomic=False
)
def command_apps(request: HttpRequest, bulk: Bulk) -> HttpResponse:
    """One command for all apps of a filter, each on its own: what one refuses keeps no other from it."""
    permission = PERMISSIONS[Command.Verb(bulk.verb)]
    if not asker(request).may(permission):
        raise Problem("not-allowed", f"{bulk.verb} needs the permission {permission}.")
    if not bulk.where.model_fields_set:
        detail = 'Say which apps; all of them are {"q": ""}.'
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/where")])
    rows = filtered(visible(request, permission, App.objects.all()), bulk.where)
    apps, following = part_of(rows, ("code",), Many(cursor=bulk.cursor, limit=bulk.limit))
    items = [_one_of_many(request, app, bulk) for app in apps]
    return reply(BulkAnswer(items=items, next_cursor=following))


@section.get("/apps/{code}", name="getApp", permission=VIEW, answer=AppOut, has_version=True)
def get_app(request: HttpRequest, code: Path[AppCode]) -> HttpResponse:
    """One app."""
    app = find_app(request, VIEW, code)
    return reply(app_out(app), ETag=version_of(app))


@section.patch("/apps/{code}", name="changeApp", is_recorded=False, permission=CHANGE, answer=AppOut)
def change(request: HttpRequest, code: Path[AppCode], new: AppChange) -> HttpResponse:
    """Change what people decide about an app. A new schedule counts from now."""
    app = find_app(request, CHANGE, code)
    values = {name: getattr(new, name) for name in new.model_fields_set}
    if "owner" in values:
        values["owner"] = _user(values["owner"])
    with transaction.atomic():
        locked = App.objects.select_for_update().select_related(None).get(pk=app.pk)
        check_version(request, version_of(locked))
        before = {name: getattr(locked, name) for name in values}
        changed, now = change_app(locked, now=utc_now(), **values), utc_now()
        after = {name: getattr(changed, name) for name in values}
        actor = asker(request).user
        record("app.changed", code, source=API, actor=actor, now=now, obj=changed, before=before, after=after)
    app = find_app(request, CHANGE, code)
    return reply(app_out(app), ETag=version_of(app))


@section.delete("/apps/{code}", name="removeApp", is_recorded=False, permission=DELETE, answer=AppOut, status=202)
def remove_app(request: HttpRequest, code: Path[AppCode], how: Query[Removal]) -> HttpResponse:
    """Disable an app now, and delete its rows when the grace is over. Its source and what it collected stay."""
    app = find_app(request, DELETE, code)
    issuer = asker(request).user
    request_removal(app, grace_days=how.grace_days, source=Command.Source.API, issuer=issuer, now=utc_now())
    return reply(app_out(find_app(request, DELETE, code)), 202, Location=place_of(app))


@section.post("/apps/{code}/keep", name="keepApp", is_recorded=False, permission=CHANGE, answer=AppOut)
def keep_app(request: HttpRequest, code: Path[AppCode]) -> HttpResponse:
    """Cancel the removal of an app. It stays disabled."""
    app = find_app(request, CHANGE, code)
    if not cancel_removal(app, source=Command.Source.API, issuer=asker(request).user, now=utc_now()):
        raise Problem("conflict", f"{code} is not going to be removed.")
    return reply(app_out(find_app(request, CHANGE, code)))


@section.post(
    "/apps/{code}/start", name="startApp", is_recorded=False, permission=COMMAND, answer=CommandOut, status=202
)
def start_app(request: HttpRequest, code: Path[AppCode], how: Start | None = None) -> HttpResponse:
    """Start a run."""
    return _start(request, code, Command.Verb.START, how or Start())


@section.post(
    "/apps/{code}/restart", name="restartApp", is_recorded=False, permission=COMMAND, answer=CommandOut, status=202
)
def restart_app(request: HttpRequest, code: Path[AppCode], how: Start | None = None) -> HttpResponse:
    """Stop what runs, and start anew."""
    return _start(request, code, Command.Verb.RESTART, how or Start())


@section.post("/apps/{code}/stop", name="stopApp", is_recorded=False, permission=COMMAND, answer=CommandOut, status=202)
def stop_app(request: HttpRequest, code: Path[AppCode], which: Stop | None = None) -> HttpResponse:
    """Stop all runs of an app, or one of them."""
    app, run = find_app(request, COMMAND, code), None
    if which is not None and which.runtime is not None:
        run = Runtime.objects.filter(pk=which.runtime, app=app).first()
        if run is None:
            detail = f"{code} has no run {which.runtime}."
            raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/runtime")])
    return command_reply(request, order(request, app, Command.Verb.STOP, runtime=run))


@section.post(
    "/apps/{code}/enable", name="enableApp", is_recorded=False, permission=CHANGE, answer=CommandOut, status=202
)
def enable_app(request: HttpRequest, code: Path[AppCode], how: Enable | None = None) -> HttpResponse:
    """Let the clock and people start it."""
    app = find_app(request, CHANGE, code)
    return command_reply(request, order(request, app, Command.Verb.ENABLE, trial=(how or Enable()).trial))


@section.post(
    "/apps/{code}/disable", name="disableApp", is_recorded=False, permission=CHANGE, answer=CommandOut, status=202
)
def disable_app(request: HttpRequest, code: Path[AppCode]) -> HttpResponse:
    """Nothing starts it any more; what runs goes on."""
    return command_reply(request, order(request, find_app(request, CHANGE, code), Command.Verb.DISABLE))


def _one_of_many(request: HttpRequest, app: App, bulk: Bulk) -> BulkItem:
    if bulk.preview:
        reason = why_refused(app, Command.Verb(bulk.verb), source=Command.Source.API, issuer=asker(request).user)
        return BulkItem(code=app.code, outcome="refused" if reason else "would", command=None, reason=reason)
    key = derived_key(request, f"{bulk.verb} {app.pk}")
    command = order(request, app, Command.Verb(bulk.verb), idempotency_key=key)
    outcome: Any = {Command.Progress.EXECUTED: "done", Command.Progress.NOT_EXECUTED: "refused"}.get(
        Command.Progress(command.state), "pending"
    )
    return BulkItem(code=app.code, outcome=outcome, command=command.pk, reason=command.reason)


def _start(request: HttpRequest, code: str, verb: Command.Verb, how: Start) -> HttpResponse:
    app = find_app(request, COMMAND, code)
    if how.args is not None:
        _check_args(app, how.args)
    now = utc_now()
    deadline = now + timedelta(seconds=how.deadline_s) if how.deadline_s else None
    command = order(
        request, app, verb, args=how.args, limit=how.limit, dry_run=how.dry_run, deadline_at=deadline, now=now
    )
    return command_reply(request, command)


def _check_args(app: App, args: dict[str, Any]) -> None:
    try:
        check_args(app, args)
    except BadArguments as error:
        raise Problem("invalid", str(error), errors=[Fault(detail=str(error), pointer="/args")]) from None


def _user(name: str | None) -> User | None:
    if name is None:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        detail = f'There is no user "{name}".'
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/owner")])
    return user
