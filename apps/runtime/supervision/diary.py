"""The shim's journal: the lines of stdout and stderr, and the last frame, `exit`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.runtime.process import identify_self
from apps.runtime.supervision.spec import ExitReport, Order
from collectors.toolkit.journal import Journal, Redactor
from collectors.toolkit.journal.known import known

RETRY_S = 1.0


class Diary:
    """Writes while it can. A journal that cannot be made is tried again with the next line; what is lost is counted."""

    def __init__(self, order: Order) -> None:
        self._order = order
        known.learn(*order.spec.secrets.values())
        self._redactor = Redactor(order.secrets)
        self._journal: Journal | None = None
        self._lost, self._lost_since = 0, 0.0
        self._next_try = 0.0
        self._open()

    def _open(self) -> Journal | None:
        now = time.monotonic()
        if self._journal is None and now >= self._next_try:
            self._next_try = now + RETRY_S
            spec = self._order.spec
            about = {"runtime": spec.run_id, "app": spec.app_code, "role": "shim", **asdict(identify_self())}
            folder = Path(self._order.journal_root) / spec.run_id
            try:
                self._journal = Journal(
                    folder, about=lambda: about, redactor=self._redactor, fsync=self._order.fsync, ticking=False
                )
            except OSError:
                return None
            if self._lost:
                self._journal.write("gap", {"dropped": self._lost, "since": self._lost_since})
                self._lost = 0
        return self._journal

    def line(self, data: dict[str, Any]) -> None:
        """One line of the run."""
        journal = self._open()
        if journal is None:
            self._lost_since = self._lost_since or time.time()
            self._lost += 1
            return
        journal.write("log", data)

    def sync(self) -> None:
        """Have it on disk. To be called once a second: a thread for that would be most of what a shim costs."""
        if self._journal is not None:
            self._journal.sync()

    def exit(self, report: ExitReport) -> None:
        """How the run's processes ended; nothing follows."""
        self._next_try = 0.0
        journal = self._open()
        if journal is not None:
            journal.write("exit", asdict(report))
            journal.close()

    def redacted(self, text: str) -> str:
        """The text without what is secret."""
        return self._redactor.redact_text(text)
