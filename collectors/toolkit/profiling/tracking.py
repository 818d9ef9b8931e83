"""Everything that is watched in a process, and its increments for the journal."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from collectors.toolkit.profiling.aggregates import Function, Increment, Watch

KIND = "function"
#: Buckets in one increment; a journal cuts objects with more keys than its own limit where it has to mask something.
BUCKETS_PER_INCREMENT = 150

_trackers: weakref.WeakSet[Tracker] = weakref.WeakSet()


class FrameWriter(Protocol):
    """What a tracker needs of a journal."""

    def write(self, kind: str, data: Mapping[str, Any]) -> bool: ...


class Tracker:
    """The watched functions of a process and what came together of them. Any thread may use it."""

    def __init__(self) -> None:
        self.watches: dict[tuple[str, str], Watch] = {}
        #: Called once, by the first watched call after `await_first_call`, or in a process that was forked from here.
        self.on_first_call: Callable[[], None] | None = None
        self._awaits_first_call = False
        _trackers.add(self)

    def watch(self, function: Function) -> Watch:
        """The watch of a function; always the same one for the same module and qualified name."""
        return self.watches.setdefault((function.module, function.qualname), Watch(function, self))

    def drain(self) -> list[Increment]:
        """What came together since the last drain: one increment, or a few, per function and caller."""
        taken = [cell.take() for watch in list(self.watches.values()) for cell in list(watch.cells.values())]
        return [piece for increment in taken if increment is not None for piece in _pieces(increment)]

    def put_back(self, increment: Increment) -> None:
        """Have an increment that could not be written in the next drain again."""
        parent = increment["parent"]
        watch = self.watch(Function(increment["module"], increment["qualname"], increment["file"]))
        outer = (self.watch(Function(*parent)), None) if parent is not None else None
        watch.cell_under(outer).put_back(increment)

    def flush_to(self, journal: FrameWriter) -> bool:
        """Write the increments as frames. False when some could not be written; they wait for the next time."""
        waiting = self.drain()
        refused: list[Increment] = []
        try:
            while waiting:
                increment = waiting.pop()
                if not journal.write(KIND, increment):
                    refused.append(increment)
        finally:
            # An interruption strikes anywhere. The frame it struck in counts as written: rather lost than doubled.
            for increment in (*waiting, *refused):
                self.put_back(increment)
        return not refused

    def clear(self) -> None:
        """Begin anew: what came together is forgotten, and calls under way are not counted."""
        for watch in list(self.watches.values()):
            watch.cells = {}

    def note_call(self) -> None:
        """A function was called for the first time since everything began anew."""
        if self._awaits_first_call and self.on_first_call is not None:
            self._awaits_first_call = False
            self.on_first_call()

    def await_first_call(self) -> None:
        """Begin anew, and have `on_first_call` called with the next call of a watched function."""
        self._awaits_first_call = True
        self.clear()


def _pieces(increment: Increment) -> Iterator[Increment]:
    """The increment, or several that make it up: all but the first carry buckets alone."""
    buckets = list(increment["sketch"].items())
    for start in range(0, max(1, len(buckets)), BUCKETS_PER_INCREMENT):
        part = dict(buckets[start : start + BUCKETS_PER_INCREMENT])
        if start == 0:
            yield {**increment, "sketch": part}
        else:
            nothing: dict[str, Any] = {"calls": 0, "errors": 0, "solved": 0, "failed": 0, "total_ns": 0}
            yield {**increment, **nothing, "task_size": None, "last_error": "", "sketch": part}  # type: ignore[typeddict-item]


def _begin_anew_in_child() -> None:
    for tracker in list(_trackers):
        tracker.await_first_call()


os.register_at_fork(after_in_child=_begin_anew_in_child)

#: The tracker of this process, which `fun_watch` and the platform use.
tracker = Tracker()
