"""What came together of one function under one caller.

Threads add to a cell without a lock: an append to a list is one step for all of them. What was appended is folded into
totals and a sketch now and then, so that memory stays flat. Only folding and taking wait for each other.
"""

from __future__ import annotations

import logging
import threading
import time
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypedDict, TypeVar

from collectors.toolkit.errors import SkipItem, StopRun
from collectors.toolkit.profiling.sketch import Sketch

if TYPE_CHECKING:
    from collectors.toolkit.profiling.tracking import Tracker

_T = TypeVar("_T")

log = logging.getLogger("profiling")

#: A cell holds so many single values before they are folded.
FOLD_AT = 256
MAX_ERROR_CHARS = 500
#: Ends of a call that are no fault of it.
_NO_ERRORS = (SkipItem, StopRun, StopIteration, StopAsyncIteration)

_told: set[str] = set()


def tell_once(where: str, error: Exception) -> None:
    """Tracking failed, which is nobody's business but ours: one line for each place and kind of error."""
    key = f"{where} {type(error).__name__}"
    if key not in _told:
        _told.add(key)
        log.warning("tracking.failed in %s; the function itself went on", where, exc_info=error)


class Function(NamedTuple):
    """Which function it is. Two of the same module and qualified name are one."""

    module: str
    qualname: str
    file: str = ""
    """Below the folder that its top package is in, so that it is the same on every machine."""


class Increment(TypedDict):
    """What came together since the last one; the data of a journal frame of kind `function`. Increments add up."""

    module: str
    qualname: str
    file: str
    parent: tuple[str, str, str] | None
    """Module, qualified name and file of the watched function that called it."""
    calls: int
    errors: int
    task_size: int | None
    solved: int
    failed: int
    total_ns: int
    min_ns: int | None
    max_ns: int | None
    first_start: float
    """Seconds since the epoch."""
    last_end: float | None
    last_error: str
    sketch: dict[str, int]
    """Bucket -> count, in nanoseconds; see `Sketch`."""


class Cell:
    """The calls of one function under one caller, since the last `take`."""

    __slots__ = (
        *("parent", "watch", "first_start", "samples", "sizes", "solved", "failed", "errors", "last_end"),
        *("_lock", "_calls", "_error_count", "_last_error", "_size", "_solved", "_failed"),
        *("_total", "_min", "_max", "_sketch"),
    )

    def __init__(self, watch: Watch, parent: Watch | None) -> None:
        self.watch, self.parent = watch, parent
        self.first_start = time.time()
        self.last_end = 0
        # Appended to by whoever calls, marks or fails; nanoseconds, sizes, counts and texts.
        self.samples: list[int] = []
        self.sizes: list[int] = []
        self.solved: list[int] = []
        self.failed: list[int] = []
        self.errors: list[str] = []
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._calls = self._error_count = self._solved = self._failed = self._total = 0
        self._last_error = ""
        self._size: int | None = None
        self._min: int | None = None
        self._max: int | None = None
        self._sketch = Sketch()

    def count(self, elapsed_ns: int, error: BaseException | None = None) -> None:
        """One call has ended."""
        try:
            self.samples.append(elapsed_ns)
            self.last_end = perf_counter_ns()
            if isinstance(error, Exception) and not isinstance(error, _NO_ERRORS):
                self.errors.append(_text(error))
            if len(self.samples) >= FOLD_AT:
                self.fold()
        except Exception as problem:  # noqa: BLE001 - the watched function goes on, whatever we did wrong
            tell_once(self.watch.function.qualname, problem)

    def mark(self, marks: list[int], count: int) -> None:
        """`marks` is one of this cell's lists."""
        marks.append(count)
        if len(marks) >= FOLD_AT:
            self.fold()

    def fold(self) -> None:
        """Put single values together. Who finds somebody else at it leaves it to them: it is never waited for here.

        A signal handler, or a finaliser, may strike inside of a fold and end up here again.
        """
        if self._lock.acquire(blocking=False):
            try:
                self._fold()
            finally:
                self._lock.release()

    def _fold(self) -> None:
        samples = _taken(self.samples)
        if samples:
            least, most = min(samples), max(samples)
            self._calls += len(samples)
            self._total += sum(samples)
            self._min = least if self._min is None else min(self._min, least)
            self._max = most if self._max is None else max(self._max, most)
            self._sketch.add(samples)
        if sizes := _taken(self.sizes):
            self._size = (self._size or 0) + sum(sizes)
        self._solved += sum(_taken(self.solved))
        self._failed += sum(_taken(self.failed))
        if errors := _taken(self.errors):
            self._error_count += len(errors)
            self._last_error = errors[-1]

    def take(self) -> Increment | None:
        """What came together, which is gone from here then; None when nothing did."""
        with self._lock:
            self._fold()
            if not (self._calls or self._solved or self._failed or self._size is not None):
                return None
            increment = self._increment()
            self._reset()
        return increment

    def _increment(self) -> Increment:
        function, parent = self.watch.function, self.parent.function if self.parent is not None else None
        # The wall clock is read here and not in each call; the other clock says how long ago the last call was.
        ago_s = (perf_counter_ns() - self.last_end) / 1e9
        return {
            "module": function.module,
            "qualname": function.qualname,
            "file": function.file,
            "parent": (parent.module, parent.qualname, parent.file) if parent is not None else None,
            "calls": self._calls,
            "errors": self._error_count,
            "task_size": self._size,
            "solved": self._solved,
            "failed": self._failed,
            "total_ns": self._total,
            "min_ns": self._min,
            "max_ns": self._max,
            "first_start": self.first_start,
            "last_end": time.time() - ago_s if self.last_end else None,
            "last_error": self._last_error,
            "sketch": self._sketch.as_json(),
        }

    def put_back(self, increment: Increment) -> None:
        """An increment that could not be written counts again."""
        with self._lock:
            self.first_start = min(self.first_start, increment["first_start"])
            self._calls += increment["calls"]
            self._total += increment["total_ns"]
            self._solved += increment["solved"]
            self._failed += increment["failed"]
            self._error_count += increment["errors"]
            self._last_error = self._last_error or increment["last_error"]
            if increment["task_size"] is not None:
                self._size = (self._size or 0) + increment["task_size"]
            if increment["min_ns"] is not None:
                self._min = increment["min_ns"] if self._min is None else min(self._min, increment["min_ns"])
            if increment["max_ns"] is not None:
                self._max = increment["max_ns"] if self._max is None else max(self._max, increment["max_ns"])
            self._sketch.merge(Sketch.from_json(increment["sketch"]))


class Watch:
    """A watched function in one process: its cells, one for each watched function that calls it."""

    __slots__ = ("cells", "function", "tracker")

    def __init__(self, function: Function, tracker: Tracker) -> None:
        self.function, self.tracker = function, tracker
        #: Replaced as a whole when everything begins anew, so that calls under way then end in cells nobody reads.
        self.cells: dict[Watch | None, Cell] = {}

    def cell_under(self, outer: Frame | None) -> Cell:
        """The cell for calls from `outer`."""
        parent = outer[0] if outer is not None else None
        cell = self.cells.get(parent)
        if cell is None:
            self.tracker.note_call()
            cell = self.cells.setdefault(parent, Cell(self, parent))
        return cell


#: A watched call under way, and the one it was called from. A plain tuple: one is made in every call.
Frame: TypeAlias = "tuple[Watch, Frame | None]"


def _taken(values: list[_T]) -> list[_T]:
    """Everything that is in the list now; what others append meanwhile stays."""
    taken = values[:]
    del values[: len(taken)]
    return taken


def _text(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".strip(": ")[:MAX_ERROR_CHARS]
    except Exception:  # noqa: BLE001 - an error that cannot be written is still an error
        return type(error).__name__
