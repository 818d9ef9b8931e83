"""How far a command has come: requested, accepted, done. What was asked for has not happened yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.registry.models import App
from apps.runtime.models import Command, Runtime

SHOWN = 5
SEES = "runtime.view_command"


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three; `at` is None while it has not happened, or where nobody wrote down when."""

    name: str
    at: datetime | None
    kind: str
    """done, waits or refused."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command and its steps."""

    command: Command
    steps: list[Step]


def commands_of_app(app: App, *, asker: Any) -> list[CommandLine]:
    """The newest commands to an app, newest first, as far as `asker` may see them."""
    if not may(asker, SEES, app):
        return []
    return with_steps(Command.objects.filter(app=app).select_related("issuer", "claimed_by")[:SHOWN])


def commands_of_run(run: Runtime) -> list[Command]:
    """Those about one run, in the order in which they came."""
    return list(run.commands.select_related("issuer", "claimed_by").order_by("created_at", "id")[:20])


def with_steps(commands: Iterable[Command]) -> list[CommandLine]:
    """Each command with how far it has come."""
    return [CommandLine(command, _steps(command)) for command in commands]


def _steps(command: Command) -> list[Step]:
    progress = Command.Progress(command.state)
    is_done = progress == Command.Progress.EXECUTED
    steps = [Step(_("requested"), command.created_at, "done")]
    if command.claimed_at or is_done or progress == Command.Progress.CLAIMED:
        steps.append(Step(_("accepted"), command.claimed_at, "done"))
    elif command.finished_at is None:
        steps.append(Step(_("accepted"), None, "waits"))
    match progress:
        case Command.Progress.NOT_EXECUTED:
            steps.append(Step(_("refused"), command.finished_at, "refused"))
        case Command.Progress.EXPIRED:
            steps.append(Step(_("too late"), command.finished_at, "refused"))
        case _:
            steps.append(Step(_("done"), command.finished_at, "done" if is_done else "waits"))
    return steps
