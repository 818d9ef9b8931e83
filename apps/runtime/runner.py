"""A run from RUNNING to its end: the source does its work, and how it went is written down once."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.db import DatabaseError

from apps.core.clock import utc_now
from apps.runtime.claims import begin
from apps.runtime.ending import end_run
from apps.runtime.frames import ROWS
from apps.runtime.interrupts import Interrupts, RunInterrupted
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.judging import LONGEST_CATEGORY
from apps.runtime.models import Runtime, State
from apps.runtime.next_run import next_run_words, obey_next_run
from apps.runtime.process import identify_self
from apps.runtime.pulse import Progress, Pulse
from apps.runtime.shipper import Shipper
from apps.runtime.shipping import reconnecting
from apps.runtime.telling import watching_objects
from apps.runtime.verdicts import PLATFORM
from apps.runtime.wakeups import Wakeups
from apps.runtime.wiring import Wiring, wire
from collectors.contract import Failure, Outcome
from collectors.identity import AppInfo
from collectors.loader import Source
from collectors.toolkit.categories import category_of, is_blocker
from collectors.toolkit.errors import CollectError
from collectors.toolkit.journal import Journal
from collectors.toolkit.journal.service import service
from collectors.toolkit.profiling import Flusher

log = structlog.get_logger("runtime")

#: How often the end of a run is tried while the database does not answer, and how long between two tries.
END_ATTEMPTS, END_PAUSE_S = 15, 2.0


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, before it is written down."""

    state: State
    cause: str
    is_complete: bool = False
    signum: int | None = None
    is_blocked: bool = False
    error_category: str = ""
    next_run: datetime | None = None


def execute(
    run: Runtime,
    source: Source,
    *,
    args: Any,
    interrupts: Interrupts,
    watch: Callable[[Pulse], Any],
    on_stop_asked: Callable[[], None] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> State:
    """Run `source` for the STARTING row `run`, end the row, and return the state it ended in.

    `watch` is given the progress as soon as there is one; a terminal draws its bar from it. `on_stop_asked` is for
    a run that no manager owns: it is called when a command asks it to stop. `run` is up to date afterwards.
    """
    try:
        journal = open_journal(run)
    except OSError as error:
        cause = f"The journal of the run cannot be written: {error.strerror or error} ({error.filename})."
        end_run(run, State.FAILED, now=utc_now(), cause=cause, exit_code=1, error_category=PLATFORM)
        return State(run.state)
    if not begin(run, owner=identify_self(), code_version=code_version(source.info), now=utc_now()):
        journal.close()
        run.refresh_from_db()
        end_run(run, State.STOPPED, now=utc_now(), cause="Asked to stop before it had begun.")
        return State(run.state)
    wakeups = Wakeups()
    pulse = Pulse(run, journal, Shipper(journal_root(), wake=wakeups.ring), on_stop_asked=on_stop_asked)
    with pulse:
        watch(pulse)
        end, numbers = perform(
            run, source, args=args, interrupts=interrupts, journal=journal, progress=pulse, secrets=secrets
        )
    said = next_run_words(run, end.next_run)
    _write_end(run, end, {**numbers, "journal_complete": pulse.journal_complete})
    _obey(run, said)
    wakeups.ring([run.pk])
    wakeups.close(timeout_s=0.5)
    return State(run.state)


def perform(
    run: Runtime,
    source: Source,
    *,
    args: Any,
    interrupts: Interrupts,
    journal: Journal,
    progress: Progress,
    secrets: Mapping[str, str] | None = None,
) -> tuple[End, dict[str, Any]]:
    """Have the source do its work and say into the journal how it ended. Touches no row of the platform.

    Returns the end and its numbers. The frame `end` is written last, so that it is found at the end of the file.
    """
    with Flusher(journal), service.writing_to(journal), watching_objects(journal):
        wiring = wire(run, source, args=args, progress=progress, stop=interrupts.stop, secrets=secrets)
        log.info("run.started", app=source.info.code)
        try:
            end = _work(source, wiring, interrupts)
        finally:
            interrupts.close()
            wiring.close()
        # The cause goes into the row of the run and into messages, not through the journal alone.
        end = replace(end, cause=journal.redactor.redact_text(end.cause))
        log.info("run.ended", state=str(end.state), cause=end.cause)
    numbers = _numbers(wiring, progress, end)
    write_end(journal, end, {**numbers, **next_run_words(run, end.next_run)})
    return end, numbers


def write_end(journal: Journal, end: End, numbers: dict[str, Any]) -> None:
    """The last word of a run that ended by itself. It is on disk when the journal is sealed, which comes next."""
    journal.write("end", {"state": str(end.state), "cause": end.cause, **numbers})


def _work(source: Source, wiring: Wiring, interrupts: Interrupts) -> End:
    """Everything a source can do, as an End. Only what is nobody's to catch passes."""
    try:
        try:
            interrupts.begin()
            wiring.records.begin(source.info.label)
            return _judge(source.run(wiring.context), interrupts)
        finally:
            # Before anything is made of how it ended: an interruption then would leave nothing at all.
            interrupts.close()
    except RunInterrupted:
        return _interrupted(interrupts, has_stored=wiring.records.totals.seen > 0)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        category = category_of(error)
        log.exception("run.failed", category=category)
        text = str(error)
        cause = text or type(error).__name__ if isinstance(error, CollectError) else f"{type(error).__name__}: {text}"
        return End(State.FAILED, cause.strip(": "), is_blocked=is_blocker(error), error_category=category)


def _judge(outcome: Outcome, interrupts: Interrupts) -> End:
    state, cause = State(outcome.ending.value), outcome.cause
    if state == State.STOPPED and not cause:
        cause = f"Asked to stop ({_name(interrupts.signum)}); what was collected until then is stored."
    end = End(state, cause, outcome.complete, interrupts.signum, next_run=outcome.next_run)
    if isinstance(outcome, Failure) and state == State.FAILED:
        return replace(end, is_blocked=outcome.is_blocked, error_category=outcome.category)
    return end


def _interrupted(interrupts: Interrupts, *, has_stored: bool) -> End:
    if interrupts.timed_out:
        return End(State.TIMED_OUT, f"The time limit of {interrupts.time_limit_s:g} s was reached.")
    stored = "what it had stored in batches stays" if has_stored else "nothing was stored"
    cause = f"Asked to stop ({_name(interrupts.signum)}) and ended where it stood; {stored}."
    return End(State.STOPPED, cause, signum=interrupts.signum)


def _name(signum: int | None) -> str:
    return signal.Signals(signum).name if signum else "by the source itself"


def _numbers(wiring: Wiring, progress: Progress, end: End) -> dict[str, Any]:
    totals, usage = wiring.records.totals, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "is_complete": end.is_complete,
        "task_size": progress.size,
        "solved": progress.solved,
        "failed": progress.failed,
        **{f"rows_{name}": getattr(totals, name) for name in (*ROWS, "deleted", "quarantined")},
        "request_count": wiring.metrics.count,
        "request_mean_ms": wiring.metrics.mean_ms,
        "error_rate": wiring.metrics.error_rate,
        "is_blocked": end.is_blocked,
        "error_category": str(end.error_category)[:LONGEST_CATEGORY],
        "peak_memory_bytes": usage.ru_maxrss * 1024,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "exit_code": exit_code(end.state, end.signum),
    }


def _write_end(run: Runtime, end: End, numbers: dict[str, Any]) -> None:
    """The one terminal move. While the database is away it is tried again, for half a minute."""
    for attempt in range(1, END_ATTEMPTS + 1):
        try:
            with reconnecting():
                if not end_run(run, end.state, now=utc_now(), cause=end.cause, **numbers):
                    run.refresh_from_db()
                return
        except DatabaseError:
            if attempt == END_ATTEMPTS:
                raise
            time.sleep(END_PAUSE_S)


def _obey(run: Runtime, said: dict[str, Any]) -> None:
    try:
        obey_next_run(run, said, now=utc_now())
    except DatabaseError as error:
        # The run has ended, and its app runs when its schedule says.
        log.warning("next_run.ignored", reason=str(error))


def exit_code(state: State, signum: int | None = None) -> int:
    """The exit code of `runcollector` for a run that ended in `state`."""
    match state:
        case State.SUCCEEDED:
            return 0
        case State.TIMED_OUT:
            return 124
        case State.STOPPED:
            return 128 + (signum or signal.SIGTERM)
        case _:
            return 1


def code_version(info: AppInfo) -> str:
    """SHA-256 of the Python files of a room: it names what ran even where nothing was committed."""
    name = f"collectors.sources.{info.code}"
    # Every run asks this before its first line: the room that is loaded already knows where it lies.
    room = sys.modules.get(name)
    found = room.__spec__ if room is not None else importlib.util.find_spec(name)
    digest = hashlib.sha256()
    for folder in map(Path, found.submodule_search_locations or ()) if found else ():
        for file in sorted(file for file in os.listdir(folder) if file.endswith(".py")):  # noqa: PTH208 - as above
            digest.update(file.encode() + b"\0" + (folder / file).read_bytes() + b"\0")
    return digest.hexdigest()
