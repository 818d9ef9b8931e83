"""A collector that a manager started: it does the work of one run, says how it went, and exits.

It neither ships nor moves states, and touches no row of the platform: what it says stands in its journal, which the
manager brings into the database, and the manager ends the run when no process of it is left.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from apps.registry.models import App
from apps.registry.services import BadArguments, validate_args
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import open_journal
from apps.runtime.models import Runtime, State
from apps.runtime.pulse import ProgressTeller
from apps.runtime.runner import End, code_version, exit_code, perform, write_end
from apps.runtime.supervision.spec import NO_JOURNAL, RunSpec
from collectors.identity import parse_code
from collectors.loader import Source, SourceError, load_source
from collectors.toolkit.journal.known import known


def run_spec(spec: RunSpec) -> int:
    """Execute a claimed run in this process and return its exit code. `NO_JOURNAL`: it could not even say so."""
    _mute_console()
    # Before there is a journal: what it says must not hold them.
    known.learn(*spec.secrets.values())
    # A little less than the grace: whoever waits for the whole of it kills what is left.
    grace_s = max(0.5, 0.8 * spec.stop_grace_s)
    with Interrupts(grace_s=grace_s, time_limit_s=spec.time_limit_s) as interrupts:
        run = _run_of(spec)
        try:
            journal = open_journal(run)
        except OSError as error:
            reason = f"{error.strerror or error} ({error.filename})"
            sys.stderr.write(f"The journal of the run cannot be written: {reason}.\n")
            return NO_JOURNAL
        with ProgressTeller(journal) as progress:
            try:
                source, args = _source_of(spec)
            except (SourceError, BadArguments) as error:
                interrupts.close()
                write_end(progress.journal, End(State.FAILED, str(error)), {"is_complete": False})
                return exit_code(State.FAILED)
            progress.journal.write("begin", {"code_version": code_version(source.info)})
            end, _ = perform(
                run,
                source,
                args=args,
                interrupts=interrupts,
                journal=journal,
                progress=progress,
                secrets=spec.secrets,
            )
    return exit_code(end.state, end.signum)


def rehearse() -> None:
    """Called in a process that is going to fork collectors, before it does."""
    _mute_console()
    # Here, because it plays a scraper: a run of something else needs no scraping toolkit.
    from apps.runtime.rehearsal import rehearse as play

    play()


def _mute_console() -> None:
    """What this process prints is kept as lines of the run, and its log lines are lines of the run already."""
    for handler in logging.getLogger().handlers:
        if handler.get_name() == "console":
            handler.setLevel(logging.CRITICAL + 1)


def _run_of(spec: RunSpec) -> Runtime:
    """The run as far as a collector has to know it. These two are never saved."""
    app = App(id=spec.app_id, code=spec.app_code, schedule_version=spec.schedule_version)
    return Runtime(id=spec.run_id, app=app, epoch=spec.epoch, limit=spec.limit, is_dry_run=spec.dry_run)


def _source_of(spec: RunSpec) -> tuple[Source, Any]:
    source = load_source(parse_code(spec.app_code))
    return source, validate_args(source, spec.args)
