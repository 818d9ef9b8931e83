"""What a person sees of a run by hand: a bar, four numbers, a link."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import OutputWrapper

from apps.runtime.models import Runtime, State

if TYPE_CHECKING:
    from apps.runtime.pulse import Pulse

ADMIN_PAGE = "/admin/runtime/runtime/{}/change/"


class Terminal:
    """Draws to a terminal; says the same in plain lines where there is none."""

    def __init__(self, out: OutputWrapper, code: str) -> None:
        self.out = out
        self.code = code
        self._bar: Bar | None = None

    def opened(self, run: Runtime) -> None:
        """The run has a row."""
        notes = [
            note
            for note, applies in (
                ("disabled, runs by hand only", not run.app.is_enabled),
                ("dry run, writes nothing", run.is_dry_run),
                (f"at most {run.limit} items", run.limit is not None),
            )
            if applies
        ]
        self.out.write(f"{run.app.code}  run {run.pk}" + (f"  ({'; '.join(notes)})" if notes else ""))

    def watch(self, pulse: Pulse) -> None:
        """The run has begun."""
        if sys.stderr.isatty():
            self._bar = Bar(self.code, pulse)
            self._bar.start()

    def stopping(self) -> None:
        """Somebody asked to stop. Called from a signal handler: one plain write, nothing that takes a lock."""
        sys.stderr.write("\nStopping: the items under way are finished. Press Ctrl-C again to end at once.\n")

    def ended(self, run: Runtime) -> None:
        """The row has its end."""
        if self._bar is not None:
            self._bar.stop()
        took = (run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else 0.0
        self.out.write(f"{State(run.state).value} in {took:.1f} s" + (f": {run.cause}" if run.cause else ""))
        would = "would be " if run.is_dry_run else ""
        self.out.write(
            f"  seen {run.rows_seen}   {would}inserted {run.rows_inserted}   {would}archived {run.rows_archived}   "
            f"unchanged {run.rows_unchanged}"
            + (f"   {would}deleted {run.rows_deleted}" if run.rows_deleted else "")
            + (f"   {would}quarantined {run.rows_quarantined}" if run.rows_quarantined else "")
        )
        if run.failed:
            self.out.write(f"  {run.failed} of {run.solved + run.failed} items failed; the log of the run has each")
        self.out.write(f"  {settings.DC_PUBLIC_URL}{ADMIN_PAGE.format(run.pk)}")


class Bar:
    """A progress bar on stderr, redrawn four times a second from what the run reports."""

    def __init__(self, code: str, pulse: Pulse) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.pulse = pulse
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.progress.add_task(code, total=None, failed="")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="progress-bar", daemon=True)

    def start(self) -> None:
        """Show the bar."""
        self.progress.start()
        self._thread.start()

    def stop(self) -> None:
        """Take it away, so that the numbers stand alone."""
        self._done.set()
        self._thread.join()
        self.progress.stop()

    def _draw(self) -> None:
        while not self._done.wait(0.25):
            pulse = self.pulse
            failed = f"{pulse.failed} failed" if pulse.failed else ""
            self.progress.update(self.task, completed=pulse.solved + pulse.failed, total=pulse.size, failed=failed)
