"""What people ask for. Each function writes its rows in one transaction; the rows are the truth."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import translation

from apps.accounts.models import User
from apps.core.clock import utc_now
from apps.registry.arguments import check_args
from apps.registry.models import App
from apps.registry.services import BadArguments
from apps.runtime.command_audit import note_command
from apps.runtime.doorbells import ring_node
from apps.runtime.ending import end_run
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.open_commands import close, supersede_starts
from apps.runtime.queueing import queue_for
from apps.runtime.switching import disable, enable, waits_for_removal
from apps.runtime.wakeups import tell_watchers

__all__ = ["BadArguments", "KeyIsTaken", "check_args", "issue_command", "why_refused"]

#: Verbs that start a run, so that arguments mean something to them.
STARTING_VERBS = (Command.Verb.START, Command.Verb.RESTART)


class KeyIsTaken(Exception):
    """The idempotency key belongs to a command that asked for something else."""


def issue_command(
    app: App,
    verb: Command.Verb,
    *,
    source: Command.Source,
    issuer: User | None = None,
    args: dict[str, Any] | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    trial: bool | None = None,
    runtime: Runtime | None = None,
    idempotency_key: str | None = None,
    deadline_at: datetime | None = None,
    now: datetime | None = None,
) -> Command:
    """Carry out what somebody asks of an app, and return the command as it stands.

    EXECUTED: done, or for START queued as `command.runtime`. PENDING: a manager will see to it. NOT_EXECUTED: not done,
    and `reason` says why in a sentence. EXPIRED: `deadline_at` came first; a START or RESTART with a deadline is done
    when its run has begun. `runtime` narrows STOP to one run. `args` of None let RESTART keep those of the run it
    stops. `trial` is for ENABLE: None holds a trial run if the platform had disabled the app. The same
    `idempotency_key` again returns the first command; raises `KeyIsTaken` when that one asked for something else.
    """
    now = now or utc_now()
    order = Command(app=app, verb=verb, source=source, issuer=issuer, args=args or {}, limit=limit, created_at=now)
    order.is_dry_run, order.idempotency_key, order.deadline_at = dry_run, idempotency_key or None, deadline_at
    order.runtime = runtime if verb == Command.Verb.STOP else None
    earlier = _same_command(order, keeps_args=args is None)
    if earlier is not None:
        return earlier
    # Asking the source imports it: not while the row of the app is locked.
    # And reasons are stored: they are English, whoever asks.
    with translation.override("en"):
        fault = _argument_fault(order)
    try:
        with transaction.atomic():
            # Commands to one app wait for each other, so that the last one wins.
            app = App.objects.select_for_update(no_key=True).get(pk=app.pk)
            earlier = _same_command(order, keeps_args=args is None)
            if earlier is not None:
                return earlier
            _give_sequence(app, order)
            was_enabled = app.is_enabled
            with translation.override("en"):
                reason = fault or _too_late(order, now) or _act(app, order, now, trial=trial, keeps_args=args is None)
            _write_down(order, reason, now)
            transaction.on_commit(tell_watchers)
            note_command(order, was_enabled=was_enabled, now=now)
    except IntegrityError:
        # A command to another app took the key at this moment.
        earlier = _same_command(order, keeps_args=args is None)
        if earlier is None:
            raise
        return earlier
    return order


def why_refused(app: App, verb: Command.Verb, *, source: Command.Source, issuer: User | None) -> str:
    """Why the command would not be executed now; empty when it would. It is given, and taken back."""
    with transaction.atomic():
        command = issue_command(app, verb, source=source, issuer=issuer)
        transaction.set_rollback(True)
    return command.reason if command.state == Command.Progress.NOT_EXECUTED else ""


def _same_command(order: Command, *, keeps_args: bool) -> Command | None:
    """The command that has the key of `order` already. Raises `KeyIsTaken`."""
    if order.idempotency_key is None:
        return None
    earlier = Command.objects.filter(idempotency_key=order.idempotency_key).select_related("app", "runtime").first()
    if earlier is None:
        return None
    names = ["app_id", "verb"]
    if order.verb in STARTING_VERBS and not (keeps_args and order.verb == Command.Verb.RESTART):
        names += ["args", "limit", "is_dry_run"]
    if order.verb == Command.Verb.STOP:
        names.append("runtime_id")
    if any(getattr(earlier, name) != getattr(order, name) for name in names):
        raise KeyIsTaken(
            f'The key "{order.idempotency_key}" belongs to command {earlier.pk} ({earlier.verb} {earlier.app.code}), '
            "which asked for something else; use another key."
        )
    return earlier


def _argument_fault(order: Command) -> str:
    if order.verb not in STARTING_VERBS:
        return f"{order.verb} takes no arguments." if order.args else ""
    try:
        check_args(order.app, order.args)
    except BadArguments as error:
        return str(error)
    return "" if order.limit is None or order.limit >= 1 else 'Argument "limit": has to be 1 or more.'


def _give_sequence(app: App, order: Command) -> None:
    App.objects.filter(pk=app.pk).update(command_sequence=F("command_sequence") + 1)
    order.app = app
    order.sequence = app.command_sequence = app.command_sequence + 1
    order.state = Command.Progress.PENDING
    order.save()


def _too_late(order: Command, now: datetime) -> str:
    if order.deadline_at is None or order.deadline_at > now:
        return ""
    order.state = Command.Progress.EXPIRED
    return "The deadline had passed when the command came."


def _act(app: App, order: Command, now: datetime, *, trial: bool | None, keeps_args: bool) -> str:
    """Do it. Returns why not; leaves the state PENDING where somebody else has to do the rest."""
    order.state = Command.Progress.EXECUTED
    match order.verb:
        case Command.Verb.START:
            return _start(app, order, now)
        case Command.Verb.STOP:
            return _stop(app, order, now)
        case Command.Verb.RESTART:
            return _restart(app, order, now, keeps_args=keeps_args)
        case Command.Verb.ENABLE:
            return enable(app, order, trial=trial, now=now)
    supersede_starts(order, now=now)
    disable(app, now=now)
    return ""


def _write_down(order: Command, reason: str, now: datetime) -> None:
    if reason and order.state != Command.Progress.EXPIRED:
        order.state = Command.Progress.NOT_EXECUTED
    if order.state == Command.Progress.PENDING:
        order.save()
    else:
        close(order, Command.Progress(order.state), now=now, reason=reason)


def _cannot_start(app: App) -> str:
    if app.remove_after is not None:
        return waits_for_removal(app)
    return "" if app.is_enabled else f"{app.code} is disabled; enable it first."


def _start(app: App, order: Command, now: datetime) -> str:
    if refusal := _cannot_start(app):
        return refusal
    runs = Runtime.objects.filter(app=app, state__in=(State.QUEUED, *LIVE))
    retries = runs.filter(state=State.QUEUED, trigger=Runtime.Trigger.RETRY, not_before__gt=now)
    waiting = runs.exclude(pk__in=retries.values("pk")).first()
    if waiting is not None:
        return f"{app.code} is {State(waiting.state).word} already (run {waiting.pk})."
    _queue(app, order, now)
    for retry in retries:
        end_run(retry, State.CANCELLED, now=now, cause="Started by a command before its time.")
    return ""


def _queue(app: App, order: Command, now: datetime) -> None:
    queue_for(order, app, now=now)
    order.state = Command.Progress.EXECUTED if order.deadline_at is None else Command.Progress.PENDING
    order.save(update_fields=["runtime", "args", "limit", "is_dry_run"])


def _stop(app: App, order: Command, now: datetime) -> str:
    runs = Runtime.objects.filter(app=app)
    if order.runtime is not None:
        runs = runs.filter(pk=order.runtime.pk)
    supersede_starts(order, now=now)
    is_asked = _ask_to_stop(list(runs.live()))
    waiting = list(runs.filter(state=State.QUEUED))
    cancelled = [end_run(run, State.CANCELLED, now=now, cause="Stopped before it began.") for run in waiting]
    if is_asked:
        # Whoever owns the process sees the state and acts; the command is done when nothing of it is live any more.
        order.state = Command.Progress.PENDING
        return ""
    return "" if any(cancelled) else f"{app.code} is not running."


def _restart(app: App, order: Command, now: datetime, *, keeps_args: bool) -> str:
    if refusal := _cannot_start(app):
        return refusal
    if keeps_args:
        _keep_arguments(app, order)
    supersede_starts(order, now=now)
    waiting = list(Runtime.objects.filter(app=app, state=State.QUEUED))
    if _ask_to_stop(list(Runtime.objects.live().filter(app=app))):
        order.state = Command.Progress.PENDING
    else:
        _queue(app, order, now)
    # Last, so that what follows from it sees that something else will run: a trial that is restarted is not over.
    for run in waiting:
        end_run(run, State.CANCELLED, now=now, cause="Replaced by a restart.")
    return ""


def _keep_arguments(app: App, order: Command) -> None:
    run = Runtime.objects.filter(app=app, state__in=(State.QUEUED, *LIVE)).order_by("-queued_at", "-id").first()
    if run is not None:
        order.args, order.limit, order.is_dry_run = run.args, run.limit, run.is_dry_run


def _ask_to_stop(runs: list[Runtime]) -> bool:
    """STOPPING is the request. True when there is something to wait for."""
    asked = [run for run in runs if run.move(State.STOPPING, stop_stage="asked") or run.state == State.STOPPING]
    for node_id in {run.owner_id for run in asked if run.owner_id}:
        transaction.on_commit(partial(ring_node, node_id))
    return bool(asked)
