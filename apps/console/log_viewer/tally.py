"""How many lines a run has of each level and logger, counted once and then only further.

Counting five million lines takes seconds, so a question counts for a bounded time and says how far it came. What was
counted is kept in this process: log lines do not change.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from apps.console.log_viewer.rows import line_bounds
from apps.console.log_viewer.scanning import BUDGET_S, FIRST_STRETCH, LONGEST_STRETCH, STRETCH_S, scan_slot
from apps.logs.models import Log

RUNS_KEPT = 32
LOGGERS_COUNTED = 1_000
LOGGERS_TOLD = 200


@dataclass(slots=True)
class _Tally:
    upto: int = 0
    first: int = 1
    levels: Counter[int] = field(default_factory=Counter)
    loggers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


_kept: OrderedDict[str, _Tally] = OrderedDict()
_kept_lock = threading.Lock()


def count_lines(run_id: str, *, budget_s: float = BUDGET_S) -> dict[str, Any]:
    """Lines per level and logger up to line `upto`; `is_complete` when that is the last one. Raises `Busy`."""
    first, head = line_bounds(run_id)
    tally = _tally_of(run_id, first)
    with scan_slot(), tally.lock:
        _count_on(run_id, tally, head, budget_s)
        return {
            "levels": {str(level): count for level, count in sorted(tally.levels.items())},
            "loggers": sorted(tally.loggers.most_common(LOGGERS_TOLD)),
            "upto": tally.upto,
            "is_complete": tally.upto >= head,
        }


def _tally_of(run_id: str, first: int) -> _Tally:
    with _kept_lock:
        tally = _kept.get(run_id)
        if tally is None or tally.first != first:
            # Lines were swept away: what was counted says too much.
            tally = _kept[run_id] = _Tally(upto=first - 1, first=first)
        _kept.move_to_end(run_id)
        while len(_kept) > RUNS_KEPT:
            _kept.popitem(last=False)
        return tally


def _count_on(run_id: str, tally: _Tally, head: int, budget_s: float) -> None:
    deadline, stretch = time.monotonic() + budget_s, FIRST_STRETCH
    while tally.upto < head and time.monotonic() < deadline:
        begun, upto = time.monotonic(), min(head, tally.upto + stretch)
        rows = (
            Log.objects.filter(runtime_id=run_id, line_number__gt=tally.upto, line_number__lte=upto)
            .order_by()
            .values_list("level", "logger")
            .annotate(lines=Count("id"))
        )
        for level, logger, lines in rows:
            tally.levels[level] += lines
            if logger in tally.loggers or len(tally.loggers) < LOGGERS_COUNTED:
                tally.loggers[logger] += lines
        tally.upto = upto
        took = time.monotonic() - begun
        stretch = int(min(LONGEST_STRETCH, max(1_000, stretch * min(8, STRETCH_S / max(took, 0.001)))))
