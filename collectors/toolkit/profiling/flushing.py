"""The increments of a process into its journal, every few seconds and at the end."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from types import TracebackType
from typing import Self

from collectors.toolkit.profiling.aggregates import tell_once
from collectors.toolkit.profiling.tracking import FrameWriter, Tracker
from collectors.toolkit.profiling.tracking import tracker as own_tracker

EVERY_S = 5.0


class Flusher:
    """Flushes a tracker while it is open: `with Flusher(journal): ...`. Errors are logged, never raised.

    A process that is forked meanwhile goes on by itself: its first watched call starts a flusher there, which writes to
    the same journal object; a `Journal` begins a file of its own in a child.
    """

    def __init__(self, journal: FrameWriter, *, tracker: Tracker | None = None, every_s: float = EVERY_S) -> None:
        self.journal = journal
        self.tracker = tracker if tracker is not None else own_tracker
        self.every_s = every_s
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with what comes from now on; what another run left in the tracker is forgotten.

        The thread begins with the first watched call: many runs have none.
        """
        self._pid = os.getpid()
        self.tracker.on_first_call = self._first_call
        self.tracker.await_first_call()

    def stop(self) -> None:
        """Write what there is, and no more after that."""
        self.tracker.on_first_call = None
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self.every_s)
            self._thread = None
        self.flush()

    def flush(self) -> None:
        """Write what there is now."""
        try:
            self.tracker.flush_to(self.journal)
        except Exception as error:  # noqa: BLE001 - figures are no reason to end a run
            tell_once("flushing", error)

    def _run(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._flush_now_and_then, args=(self._end,), name="functions", daemon=True
        )
        self._thread.start()

    def _flush_now_and_then(self, end: threading.Event) -> None:
        while not end.wait(self.every_s):
            self.flush()

    def _first_call(self) -> None:
        # In a child, a thread of the parent stayed behind there.
        self._run()
        if self._pid == os.getpid():
            return
        atexit.register(self.stop)
        # Children of multiprocessing leave without the exit handlers, but not without these.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, self.stop, exitpriority=100)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
