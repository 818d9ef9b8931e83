"""Asking what may never answer: in a thread of its own, once for all who want to know, and nobody waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections

from apps.core.clock import utc_now
from apps.core.silence import limit_silence

#: How long the thread itself waits for a database.
PATIENCE_S = 2.0
#: An answer serves everybody for so long.
KEPT_S = 3.0
#: While nothing newer comes, an answer is believed for so long.
BELIEVED_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of asking. `error` is empty when it went well; `found` is what it brought then."""

    error: str
    found: Any
    took_ms: float
    measured_at: datetime


class Probe:
    """Something to ask. At most one thread asks at a time: what hangs does not pile up."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._is_asking = False
        self._answer: Answer | None = None
        self._answered_at = 0.0

    def begin(self) -> None:
        """Have it asked, unless somebody is at it, or has been a moment ago."""
        with self._lock:
            if self._is_asking or (self._answer and time.monotonic() - self._answered_at < KEPT_S):
                return
            self._is_asking = True
            self._done.clear()
        threading.Thread(target=self._run, name="probe", daemon=True).start()

    def answer(self, *, until: float) -> Answer | None:
        """The answer, waited for until `until` (`time.monotonic`), or the one before. None: there is none."""
        if self._is_asking:
            self._done.wait(max(0.0, until - time.monotonic()))
        with self._lock:
            is_old = time.monotonic() - self._answered_at > BELIEVED_S
            return None if is_old else self._answer

    def forget(self) -> None:
        """Ask anew."""
        with self._lock:
            self._answer, self._answered_at = None, 0.0

    def _run(self) -> None:
        limit_silence(PATIENCE_S)
        begun = time.perf_counter()
        error, found = "", None
        try:
            found = self._ask()
        except Exception as caught:  # noqa: BLE001 - whatever a driver raises, the part does not answer
            error = " ".join(str(caught).split())[:300] or type(caught).__name__
        finally:
            connections.close_all()
        answer = Answer(error, found, round(1000 * (time.perf_counter() - begun), 1), utc_now())
        with self._lock:
            self._answer, self._answered_at = answer, time.monotonic()
            self._is_asking = False
            self._done.set()
