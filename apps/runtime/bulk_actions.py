"""What can be done with many apps or runs at once: who may, what it skips and why, and how one is done.

What an action skips is what would come to nothing; it is read in few queries for all. What is refused is found out one
by one, when it is done: states change meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.registry.models import App
from apps.registry.services import change_app
from apps.runtime.bulk_models import BulkItem, BulkJob
from apps.runtime.bulk_skips import (
    busy_or_unable,
    each,
    enabled_already,
    idle,
    never_scheduled,
    not_to_run_again,
    nothing,
    nothing_counted,
    unable,
)
from apps.runtime.failures import NothingToClear, clear_failures
from apps.runtime.lifecycle import cancel_removal, request_removal
from apps.runtime.models import Command, Runtime
from apps.runtime.services import issue_command
from apps.runtime.switching import waits_for_removal

Action = BulkJob.Action
COMMAND, CHANGE, DELETE = "runtime.add_command", "registry.change_app", "registry.delete_app"
SCHEDULE_FIELDS = ("schedule", "interval_s", "cron", "time_zone")


class Refused(Exception):
    """It was not done; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to do: what its job and its own row say about it."""

    job: BulkJob
    item: BulkItem
    now: datetime

    @property
    def options(self) -> Mapping[str, Any]:
        """Those of the job, and where this one has its own, those."""
        return {**self.job.options, **self.item.values}

    def command(self, app: App, verb: Command.Verb, **values: Any) -> None:
        """Give the app a command, once however often it is tried. Raises `Refused`."""
        command = issue_command(
            app,
            verb,
            source=Command.Source(self.job.source),
            issuer=self.job.issuer,
            idempotency_key=f"bulk {self.job.pk} {self.item.position}",
            now=self.now,
            **values,
        )
        self.item.command_id, self.item.runtime_id = command.pk, command.runtime_id or ""
        if command.state in (Command.Progress.NOT_EXECUTED, Command.Progress.EXPIRED):
            raise Refused(command.reason)

    def change(self, app: App, **values: Any) -> None:
        """Change fields of the app, and remember what they were. Raises `Refused`."""
        self.item.before = {name: getattr(app, name) for name in values}
        fields = {name: value for name, value in values.items() if name != "owner_id"}
        fields |= {"owner": _owner(values["owner_id"])} if "owner_id" in values else {}
        try:
            change_app(app, now=self.now, **fields)
        except ValidationError as error:
            raise Refused(" ".join(error.messages)) from None


@dataclass(frozen=True, slots=True)
class Kind:
    """An action: the permission it takes, what one reads before and after, and how it is done."""

    permission: str
    title: Any
    """On the button and in the list, such as "Stop"."""
    done: Any
    """What is said of those that it was done with."""
    do: Callable[[Order, Any], None]
    skips: Callable[[list[Any]], dict[Any, str]]
    """Of some rows: primary key -> why nothing will be done with it."""
    model: type[Model] = App
    inverse: BulkJob.Action | None = None
    is_destructive: bool = False
    options: tuple[str, ...] = field(default=())
    """What one has to say besides (`bulk_options.py`)."""


def _owner(number: Any) -> User | None:
    if number is None:
        return None
    owner = User.objects.filter(pk=number, is_active=True).first()
    if owner is None:
        raise Refused("The new owner is not there any more.")
    return owner


def _verb(verb: Command.Verb) -> Callable[[Order, App], None]:
    def do(order: Order, app: App) -> None:
        order.command(app, verb)

    return do


def _clear(order: Order, app: App) -> None:
    try:
        clear_failures(app, source=Command.Source(order.job.source), issuer=order.job.issuer, now=order.now)
    except NothingToClear as error:
        raise Refused(str(error)) from None


def _schedule(order: Order, app: App) -> None:
    order.change(app, **{name: order.options[name] for name in SCHEDULE_FIELDS if name in order.options})


def _assign(order: Order, app: App) -> None:
    order.change(app, owner_id=order.options.get("owner_id"))


def _remove(order: Order, app: App) -> None:
    if app.remove_after is not None:
        raise Refused(waits_for_removal(app))
    source = Command.Source(order.job.source)
    days = int(order.options.get("grace_days", 30))
    request_removal(app, grace_days=days, source=source, issuer=order.job.issuer, now=order.now)
    order.item.before = {"is_enabled": app.is_enabled}


def _keep(order: Order, app: App) -> None:
    if not cancel_removal(app, source=Command.Source(order.job.source), issuer=order.job.issuer, now=order.now):
        raise Refused(f"{app.code} is not going to be removed.")


def _stop_run(order: Order, run: Runtime) -> None:
    order.command(run.app, Command.Verb.STOP, runtime=run)


def _run_again(order: Order, run: Runtime) -> None:
    new = order.options.get("args")
    args, limit = (run.args, run.limit) if new is None else (new, order.options.get("limit"))
    is_dry = run.is_dry_run if new is None else bool(order.options.get("dry_run"))
    order.command(run.app, Command.Verb.START, args=args, limit=limit, dry_run=is_dry)


KINDS: dict[BulkJob.Action, Kind] = {
    Action.START: Kind(COMMAND, _("Run now"), _("started"), _verb(Command.Verb.START), busy_or_unable),
    Action.STOP: Kind(COMMAND, _("Stop"), _("asked to stop"), _verb(Command.Verb.STOP), idle, is_destructive=True),
    Action.RESTART: Kind(
        *(COMMAND, _("Restart"), _("asked to start anew"), _verb(Command.Verb.RESTART), each(unable)),
        is_destructive=True,
    ),
    Action.ENABLE: Kind(
        *(CHANGE, _("Enable"), _("enabled"), _verb(Command.Verb.ENABLE), each(enabled_already)),
        inverse=Action.DISABLE,
    ),
    Action.DISABLE: Kind(
        *(CHANGE, _("Disable"), _("disabled"), _verb(Command.Verb.DISABLE)),
        each(lambda app: "" if app.is_enabled else "It is disabled already."),
        inverse=Action.ENABLE,
        is_destructive=True,
    ),
    Action.CLEAR: Kind(CHANGE, _("Clear failure counter"), _("cleared"), _clear, each(nothing_counted)),
    Action.SCHEDULE: Kind(
        *(CHANGE, _("Change schedule"), _("changed"), _schedule, each(never_scheduled)),
        inverse=Action.SCHEDULE,
        options=("schedule",),
    ),
    Action.OWNER: Kind(
        *(CHANGE, _("Assign owner"), _("assigned"), _assign, nothing),
        inverse=Action.OWNER,
        options=("owner",),
    ),
    Action.REMOVE: Kind(
        *(DELETE, _("Remove"), _("marked for removal"), _remove),
        each(lambda app: "It is to be removed already." if app.remove_after else ""),
        inverse=Action.KEEP,
        is_destructive=True,
        options=("grace",),
    ),
    Action.KEEP: Kind(
        *(CHANGE, _("Keep"), _("kept; they stay disabled"), _keep),
        each(lambda app: "" if app.remove_after else "It is not going to be removed."),
    ),
    Action.STOP_RUN: Kind(
        *(COMMAND, _("Stop"), _("asked to stop"), _stop_run),
        each(lambda run: "It has ended." if run.has_ended else ""),
        model=Runtime,
        is_destructive=True,
    ),
    Action.RUN_AGAIN: Kind(
        *(COMMAND, _("Run again"), _("queued again"), _run_again, not_to_run_again),
        model=Runtime,
        options=("arguments",),
    ),
}


def name_of(row: Any) -> str:
    """What people call it."""
    return str(row.code) if isinstance(row, App) else f"{row.app.code} {row.pk[:8]}"


def rows_of(action: BulkJob.Action, ids: Iterable[str]) -> list[Any]:
    """The rows that are still there."""
    kind, found = KINDS[action], list(ids)
    rows: Any = kind.model._default_manager.filter(pk__in=found)
    return list(rows.select_related("app") if kind.model is Runtime else rows)
