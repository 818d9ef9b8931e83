"""Counting what was collected and what failed, and deciding when to give up."""

from __future__ import annotations

import threading
from typing import Any

from collectors.contract import Context
from collectors.toolkit.categories import category_of
from collectors.toolkit.scraping.rules import AbortRule, Judge, Rules, Verdict

__all__ = ["AbortRule", "Aborted", "Tally"]


class Aborted(Exception):
    """The abort rule applied; the message says how."""

    def __init__(self, verdict: Verdict, last_error: str) -> None:
        super().__init__(f"{verdict.text} The last error: {last_error}")
        self.category = verdict.category
        self.is_blocked = verdict.is_blocked


class Tally:
    """The counts of a run. Thread-safe; `fail` raises `Aborted` when the rules say so."""

    def __init__(self, context: Context, rules: Rules) -> None:
        self.context = context
        self.solved = 0
        self.failed = 0
        self.skipped = 0
        self.last_error = ""
        self._judge = Judge(rules)
        self._lock = threading.Lock()

    @property
    def worst_category(self) -> str:
        """The category of most of the errors."""
        most = self._judge.totals.most_common(1)
        return most[0][0] if most else ""

    def expect(self, size: int) -> None:
        """Say how many items there are."""
        self.context.progress(size=size)

    def solve(self) -> None:
        """One more item collected."""
        with self._lock:
            self.solved += 1
            self._judge.success()
            self._report()

    def skip(self, item: Any, reason: str) -> None:
        """One item left out on purpose; it counts as dealt with."""
        self.context.log.info("item.skipped", item=_shown(item), reason=reason)
        with self._lock:
            self.skipped += 1
        self.solve()

    def fail(self, item: Any, error: Exception) -> None:
        """One more item that could not be collected. Raises `Aborted`."""
        category = category_of(error)
        self.context.log.error("item.failed", item=_shown(item), category=category, exc_info=error)
        with self._lock:
            self.failed += 1
            self.last_error = str(error) or type(error).__name__
            self._report()
            verdict = self._judge.failure(category)
        if verdict:
            raise Aborted(verdict, self.last_error)

    def _report(self) -> None:
        self.context.progress(solved=self.solved, failed=self.failed)


def _shown(item: Any) -> str:
    return repr(item)[:300]
