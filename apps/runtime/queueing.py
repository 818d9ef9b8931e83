"""Putting a run into the queue of its app."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from apps.registry.models import App
from apps.runtime.doorbells import ring
from apps.runtime.models import Command, Runtime

#: Where a command came from -> what the run says started it.
TRIGGERS = {
    Command.Source.ADMIN: Runtime.Trigger.ADMIN,
    Command.Source.WEBSOCKET: Runtime.Trigger.ADMIN,
    Command.Source.SHELL: Runtime.Trigger.SHELL,
    Command.Source.API: Runtime.Trigger.API,
    Command.Source.PLATFORM: Runtime.Trigger.API,
}


def queue_run(app: App, *, trigger: Runtime.Trigger, now: datetime, **values: Any) -> Runtime:
    """A run that waits for a manager of the app's queue, who hears of it when the transaction is committed."""
    run = Runtime.objects.create(app=app, trigger=trigger, queued_at=now, queue=app.queue, **values)
    transaction.on_commit(partial(ring, app.queue))
    return run


def queue_for(command: Command, app: App, *, now: datetime) -> Runtime:
    """The run that a START or RESTART asks for; `command.runtime` names it from here on."""
    command.runtime = queue_run(
        app,
        trigger=TRIGGERS[Command.Source(command.source)],
        now=now,
        args=command.args,
        limit=command.limit,
        is_dry_run=command.is_dry_run,
        is_trial=app.is_on_trial and not command.is_dry_run,
    )
    return command.runtime
