"""Who called whom in a run, and where the time went.

Rows know their callers, not the whole way there. So what a function with several callers called is shared out among
these, in proportion to the time it took for each, as gprof does. Calls of a function to itself are left out: their time
is in the outermost one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.models import Runtime

#: Where a tree is cut: functions that call each other in every way have a huge one.
LINES, DEPTH = 300, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A function, as one of its callers saw it."""

    function: AppFunction
    log: FunctionLog | None
    """None while no call of it has ended."""
    depth: int
    calls: float
    total_ms: float
    share: float | None
    """Of all time in watched functions; None while there is none. Several threads may make more than all of it."""
    own_calls: int
    """How often it called itself."""
    is_again: bool
    """It stands further up on this branch, and what it calls is shown there."""

    @property
    def indent(self) -> str:
        """In front of the name."""
        return "\u2003" * self.depth

    @property
    def bar(self) -> float:
        """Its share on a scale of 100."""
        return round(100 * min(1.0, self.share or 0.0), 1)

    @property
    def is_under_way(self) -> bool:
        """Whether no call has ended."""
        return self.log is None or not self.log.calls


@dataclass(frozen=True, slots=True)
class Tree:
    """The call tree of a run, most expensive branches first."""

    run: Runtime
    lines: list[Line]
    total_ms: float
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls of a function from one caller."""

    function_id: int
    calls: int
    total_ms: float


def call_tree(run: Runtime) -> Tree:
    """Read the call tree of `run`."""
    logs = FunctionLog.objects.filter(runtime=run).select_related("function").defer("sketch", "function__sketch")
    growth = _Growth(list(logs))
    lines = list(islice(growth.below(None, 1.0, ()), LINES + 1))
    return Tree(run, lines[:LINES], growth.total_ms, len(lines) > LINES)


class _Growth:
    """The edges of a run, from callers to what they called."""

    def __init__(self, logs: list[FunctionLog]) -> None:
        self.logs = {log.function_id: log for log in logs}
        self.functions = {log.function_id: log.function for log in logs}
        self.called: dict[int | None, list[Edge]] = defaultdict(list)
        self.incoming: dict[int, list[Edge]] = defaultdict(list)
        for log in logs:
            for key, (calls, total_ms) in log.callers.items():
                edge = Edge(log.function_id, calls, total_ms)
                if key != str(log.function_id):
                    self.called[int(key) if key else None].append(edge)
                    self.incoming[log.function_id].append(edge)
        self._add_silent_callers()
        for edges in self.called.values():
            edges.sort(key=lambda edge: (-self.time_of(edge, ()), edge.function_id))
        self.total_ms = sum(self.time_of(edge, ()) for edge in self.called[None])

    def _add_silent_callers(self) -> None:
        """Callers none of whose calls has ended stand on top: who called them is not known yet."""
        silent = {caller for caller in self.called if caller is not None} - self.logs.keys()
        found = AppFunction.objects.defer("sketch").in_bulk(silent) if silent else {}
        for caller in silent:
            if caller in found:
                self.called[None].append(Edge(caller, 0, 0.0))
                self.functions[caller] = found[caller]
            else:
                self.called[None].extend(self.called.pop(caller))

    def time_of(self, edge: Edge, path: tuple[int, ...]) -> float:
        """What is known of its time: of a call under way, what it called."""
        if edge.total_ms or edge.function_id in path or len(path) > DEPTH:
            return edge.total_ms
        inside = (*path, edge.function_id)
        below = sum(self.time_of(other, inside) for other in self.called.get(edge.function_id, []))
        return below * self.part(edge)

    def part(self, edge: Edge) -> float:
        """Which part of all calls of its function this is."""
        edges = self.incoming.get(edge.function_id, [])
        everything = sum(other.total_ms for other in edges)
        return edge.total_ms / everything if everything else 1 / max(1, len(edges))

    def below(self, caller: int | None, factor: float, path: tuple[int, ...]) -> Iterator[Line]:
        """The lines below a caller of which this is the `factor`th part; `path` leads there."""
        for edge in self.called.get(caller, []):
            log, total_ms = self.logs.get(edge.function_id), factor * self.time_of(edge, path)
            is_again = edge.function_id in path
            yield Line(
                function=self.functions[edge.function_id],
                log=log,
                depth=len(path),
                calls=factor * edge.calls,
                total_ms=total_ms,
                share=total_ms / self.total_ms if self.total_ms else None,
                own_calls=log.callers.get(str(edge.function_id), (0, 0))[0] if log is not None else 0,
                is_again=is_again,
            )
            if not is_again and len(path) < DEPTH:
                yield from self.below(edge.function_id, factor * self.part(edge), (*path, edge.function_id))
