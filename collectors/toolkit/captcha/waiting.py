"""Waiting that ends when the run is asked to stop, or when nobody waits for the result any more."""

from __future__ import annotations

import threading
import time

from collectors.contract import StopSignal

#: How often somebody who waits looks whether to stop.
LOOK_S = 0.1


class Patience:
    """Waits on behalf of one call."""

    def __init__(self, stop: StopSignal | None = None) -> None:
        self._stop = stop
        self.given_up = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether there is no sense in waiting."""
        return self.given_up.is_set() or (self._stop is not None and self._stop.is_set())

    def wait(self, seconds: float) -> bool:
        """Wait; False when it is over."""
        end = time.monotonic() + seconds
        while not self.is_over:
            left = end - time.monotonic()
            if left <= 0:
                return True
            self.given_up.wait(min(left, LOOK_S))
        return False
