"""Commands that take a while: what became of them, read from the runs of their app.

Every function here expects the row of the app to be locked, so that two processes never settle one command.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from apps.runtime.queueing import queue_for

#: Stages of a stop at which whoever owns the process is at work on it.
STOP_UNDER_WAY = ("grace", "killed", "verified")


def open_commands() -> QuerySet[Command]:
    """Commands that are neither done nor refused nor expired."""
    return Command.objects.filter(finished_at__isnull=True)


def close(command: Command, state: Command.Progress, *, now: datetime, reason: str = "") -> None:
    """The end of a command: done, refused or too late."""
    command.state, command.reason, command.finished_at = state, reason, now
    command.save(update_fields=["state", "reason", "finished_at", "runtime"])


def open_starts(app_id: int) -> QuerySet[Command]:
    """Commands that still have something to start."""
    return open_commands().filter(app=app_id, verb__in=(Command.Verb.START, Command.Verb.RESTART))


def supersede_starts(command: Command, *, now: datetime) -> None:
    """The highest command wins: what earlier ones would still have started does not start.

    A STOP of one run takes the place of what would start that run, or anew after it, and of no other. One of the
    platform, which makes room for a run that is due, takes the place of nothing that somebody has asked for.
    """
    if command.source == Command.Source.PLATFORM:
        return
    earlier = open_starts(command.app_id).filter(sequence__lt=command.sequence)
    if command.verb == Command.Verb.STOP and command.runtime_id is not None:
        earlier = earlier.filter(Q(runtime=command.runtime_id) | Q(runtime__isnull=True))
    reason = f"A later {command.verb} (command {command.pk}) took its place."
    for one in earlier:
        close(one, Command.Progress.NOT_EXECUTED, now=now, reason=reason)


def finish_commands(app: App, *, now: datetime) -> int:
    """Close the open commands whose runs have come far enough, and start what waited for a stop. How many closed."""
    verbs = (Command.Verb.START, Command.Verb.STOP, Command.Verb.RESTART)
    commands = open_commands().filter(app=app, verb__in=verbs).select_related("runtime").order_by("sequence")
    return sum(_finish(command, app, now) for command in commands)


def _finish(command: Command, app: App, now: datetime) -> bool:
    if command.verb == Command.Verb.STOP:
        is_done = not stopping_runs(command).exists()
        if is_done:
            close(command, Command.Progress.EXECUTED, now=now)
        return is_done
    if command.runtime is not None:
        return _finish_start(command, command.runtime, now)
    if stopping_runs(command).exists():
        return False
    if not app.is_enabled:
        close(command, Command.Progress.NOT_EXECUTED, now=now, reason=f"{app.code} was disabled meanwhile.")
        return True
    queue_for(command, app, now=now)
    if command.deadline_at is not None:
        # It is done when the run has begun, which the deadline is about.
        command.save(update_fields=["runtime"])
        return False
    close(command, Command.Progress.EXECUTED, now=now)
    return True


def _finish_start(command: Command, run: Runtime, now: datetime) -> bool:
    if run.state == State.QUEUED:
        return False
    if run.state in (State.CANCELLED, State.SKIPPED):
        close(command, Command.Progress.NOT_EXECUTED, now=now, reason=run.cause)
    else:
        close(command, Command.Progress.EXECUTED, now=now)
    return True


def stopping_runs(command: Command) -> QuerySet[Runtime]:
    """The runs that a STOP or RESTART still waits for."""
    runs = Runtime.objects.filter(app=command.app_id, state=State.STOPPING)
    if command.verb == Command.Verb.STOP and command.runtime_id is not None:
        runs = runs.filter(pk=command.runtime_id)
    return runs


def accept(command: Command, *, now: datetime) -> bool:
    """PENDING -> CLAIMED once the owner of a run is at work on the stop. True when it changed."""
    if command.state != Command.Progress.PENDING:
        return False
    run = stopping_runs(command).filter(Q(stop_stage__in=STOP_UNDER_WAY)).first()
    if run is None:
        return False
    command.state, command.claimed_at, command.claimed_by = Command.Progress.CLAIMED, now, run.owner
    command.save(update_fields=["state", "claimed_at", "claimed_by"])
    return True
