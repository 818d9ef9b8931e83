"""Stopping: the state STOPPING is the request, and whoever owns the process of the run looks for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.models import Command, Runtime, State
from apps.runtime.open_commands import accept, close, finish_commands, open_commands


def asked_to_stop(run_ids: Collection[str]) -> list[str]:
    """Which of these runs are to stop."""
    if not run_ids:
        return []
    return list(Runtime.objects.filter(pk__in=run_ids, state=State.STOPPING).values_list("pk", flat=True))


def settle_commands(*, now: datetime) -> int:
    """Bring the open commands up to date with their runs; those past their deadline expire. How many were closed.

    Any process may do this at any time: an app that another one is busy with is left to it.
    """
    app_ids = open_commands().order_by("app_id").values_list("app_id", flat=True).distinct()
    closed, faults = 0, []
    for app_id in list(app_ids):
        try:
            closed += _settle(app_id, now)
        except Exception as error:  # noqa: BLE001 - one odd app holds up no other; raised when all had their turn
            faults.append(error)
    if faults:
        raise faults[0]
    return closed


@transaction.atomic
def _settle(app_id: int, now: datetime) -> int:
    app = App.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=app_id).first()
    if app is None:
        return 0
    closed = finish_commands(app, now=now)
    for command in open_commands().filter(app=app).select_related("app", "runtime").order_by("sequence"):
        if command.deadline_at is not None and command.deadline_at <= now:
            expire(command, now=now)
            closed += 1
        elif command.verb in (Command.Verb.STOP, Command.Verb.RESTART):
            accept(command, now=now)
    return closed


def expire(command: Command, *, now: datetime) -> None:
    """The deadline has passed: what has not begun does not begin any more."""
    run = command.runtime
    if command.verb == Command.Verb.STOP:
        reason = "The run had not ended by the deadline; it was asked to stop and still may."
    else:
        reason = "The run had not begun by the deadline."
    close(command, Command.Progress.EXPIRED, now=now, reason=reason)
    if command.verb != Command.Verb.STOP and run is not None and run.state == State.QUEUED:
        end_run(run, State.CANCELLED, now=now, cause="It had not begun by the deadline of its command.")
