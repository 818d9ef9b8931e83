"""A run by hand: opened from an app code and what was typed, executed, shipped and ended by this one process."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DatabaseError

from apps.core.clock import utc_now
from apps.credentials.selectors import CredentialsUnusable, secrets_of
from apps.registry.models import App
from apps.registry.services import BadArguments, parse_pairs, register_app, validate_args
from apps.runtime.claims import AppIsLive, open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import journal_root
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.runner import execute, exit_code
from apps.runtime.shipper import Shipper
from apps.runtime.terminal import Terminal
from collectors.identity import BadAppCode, parse_code
from collectors.loader import Source, SourceError, load_source

__all__ = ["AppIsLive", "BadRequest", "run_by_hand"]


class BadRequest(Exception):
    """What was asked for cannot be run; the message says why."""


def run_by_hand(code: str, *, pairs: Sequence[str], limit: int | None, dry_run: bool, terminal: Terminal) -> int:
    """Run the app `code` in this process and return the exit code. Raises `BadRequest` and `AppIsLive`."""
    try:
        source = load_source(parse_code(code))
        schema = source.args_model.model_json_schema() if source.args_model else {}
        app = register_app(source.info, args_schema=schema)
        typed = parse_pairs(pairs, source)
        args = validate_args(source, _arguments(app, typed))
        secrets = secrets_of(app.pk)
        run = open_run(
            app,
            owner=identify_self(),
            args=typed,
            now=utc_now(),
            limit=limit,
            is_dry_run=dry_run,
            drain=Shipper(journal_root()).drain,
        )
    except (BadAppCode, SourceError, BadArguments, CredentialsUnusable) as error:
        raise BadRequest(str(error)) from error
    except DatabaseError as error:
        raise BadRequest(
            f"The platform's database cannot be used: {_first_line(error)}. Try: manage.py migrate"
        ) from error
    terminal.opened(run)
    state = _execute(run, source, args, terminal, secrets)
    terminal.ended(run)
    return exit_code(state) if run.exit_code is None else run.exit_code


def _arguments(app: App, given: Mapping[str, Any]) -> dict[str, Any]:
    return {**app.args, **given}


def _execute(run: Runtime, source: Source, args: Any, terminal: Terminal, secrets: Mapping[str, str]) -> State:
    limit_s = run.app.time_limit_s
    # As in a run of a manager, which kills what is left when the whole of the grace is over.
    grace_s = max(0.5, 0.8 * run.app.stop_grace_s)
    with Interrupts(grace_s=grace_s, time_limit_s=limit_s, on_request=terminal.stopping) as interrupts:
        return execute(
            run,
            source,
            args=args,
            interrupts=interrupts,
            watch=terminal.watch,
            on_stop_asked=_ask_ourselves,
            secrets=secrets,
        )


def _ask_ourselves() -> None:
    """A command to stop takes the same road as a Ctrl-C."""
    os.kill(os.getpid(), signal.SIGTERM)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
