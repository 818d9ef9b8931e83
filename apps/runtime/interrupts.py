"""Signals and the time limit of a run.

The first Ctrl-C or TERM is a request: the source sees `stop_requested`, finishes its item, and what it collected is
stored. When the grace is over, on a second signal, or at the time limit, the run is interrupted where it stands; the
merge is one transaction, so nothing is half written.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class RunInterrupted(KeyboardInterrupt):
    """The run is to end here and now.

    A KeyboardInterrupt, because that is what asyncio and `except Exception` let through.
    """


class Interrupts:
    """Installs the handlers for the duration of a run; works in the main thread only.

    `stop` is set by the first signal, `signum` remembers it; `timed_out` is true after the time limit.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(
        self, *, grace_s: float, time_limit_s: float | None = None, on_request: Callable[[], None] | None = None
    ) -> None:
        self.grace_s = grace_s
        self.time_limit_s = time_limit_s
        self.on_request = on_request
        self.stop = threading.Event()
        self.signum: int | None = None
        self.timed_out = False
        self._has_begun = False
        self._closed = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for signum in self.SIGNALS:
            self._before[signum] = signal.signal(signum, self._on_signal)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        if self.time_limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self.time_limit_s)
        return self

    def begin(self) -> None:
        """From here on the time limit interrupts; raises `RunInterrupted` when it has passed already.

        Before, nobody is there who could write down how the run ended.
        """
        self._has_begun = True
        if self.timed_out:
            raise RunInterrupted

    def close(self) -> None:
        """From here on nothing interrupts: the run is writing down how it ended."""
        self._closed = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._closed:
            return
        if self.signum is not None:
            raise RunInterrupted
        self.signum = signum
        self.stop.set()
        signal.setitimer(signal.ITIMER_REAL, self.grace_s)
        if self.on_request is not None:
            self.on_request()

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._closed:
            return
        self.timed_out = self.signum is None
        self.stop.set()
        if self._has_begun or not self.timed_out:
            raise RunInterrupted
