"""Frames of kind `function`, as they are read: checked, and summed up by function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import structlog
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from collectors.toolkit.profiling import Sketch

log = structlog.get_logger("runtime")

#: The largest count that databases hold.
MOST = 2**63 - 1
COUNTS = ("calls", "errors", "solved", "failed")

Count = Annotated[int, Field(ge=0, le=MOST)]
Moment = Annotated[float, Field(ge=0, le=4102444800, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class FunctionName(NamedTuple):
    """A function as frames name it."""

    module: Name
    qualname: Name
    file: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others: the file may differ."""
        return self.module, self.qualname


class FunctionFrame(BaseModel):
    """One frame; see `collectors.toolkit.profiling.Increment`."""

    module: Name
    qualname: Name
    file: str = ""
    parent: FunctionName | None = None
    calls: Count
    errors: Count
    task_size: Count | None = None
    solved: Count
    failed: Count
    total_ns: Count
    min_ns: Count | None = None
    max_ns: Count | None = None
    first_start: Moment
    last_end: Moment | None = None
    last_error: str = ""
    sketch: Annotated[dict[int, int], BeforeValidator(lambda value: Sketch.from_json(value).buckets)]


@dataclass(slots=True)
class Sum:
    """What the frames of one function add up to."""

    name: FunctionName
    first_start: float
    last_end: float | None = None
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    task_size: int | None = None
    total_ns: int = 0
    min_ns: int | None = None
    max_ns: int | None = None
    last_error: str = ""
    sketch: Sketch = field(default_factory=Sketch)
    callers: dict[FunctionName | None, tuple[int, int]] = field(default_factory=dict)
    """Who called -> calls and nanoseconds."""

    def add(self, frame: FunctionFrame) -> None:
        for name in COUNTS:
            self.counts[name] += getattr(frame, name)
        self.task_size = plus(self.task_size, frame.task_size)
        self.total_ns += frame.total_ns
        self.min_ns, self.max_ns = least(self.min_ns, frame.min_ns), most(self.max_ns, frame.max_ns)
        self.first_start = min(self.first_start, frame.first_start)
        self.last_end = most(self.last_end, frame.last_end)
        self.last_error = frame.last_error or self.last_error
        self.sketch.merge(Sketch(frame.sketch))
        calls, total_ns = self.callers.get(frame.parent, (0, 0))
        self.callers[frame.parent] = (calls + frame.calls, total_ns + frame.total_ns)


def sum_up(frames: Iterable[Mapping[str, Any]]) -> list[Sum]:
    """One sum per function. A frame that makes no sense is logged and left out."""
    sums: dict[tuple[str, str], Sum] = {}
    for data in frames:
        try:
            frame = FunctionFrame.model_validate(data)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            log.warning("function.refused", frame=repr(data)[:200], reason=reason)
            continue
        name = FunctionName(frame.module, frame.qualname, frame.file)
        sums.setdefault(name.key, Sum(name, frame.first_start)).add(frame)
    return list(sums.values())


def plus(a: int | None, b: int | None) -> int | None:
    """The sum of two counts that may be unknown, as large as a database holds."""
    return None if a is None and b is None else min(MOST, (a or 0) + (b or 0))


def least(a: Any, b: Any) -> Any:
    """The smaller one of two values that may be unknown."""
    return b if a is None else a if b is None else min(a, b)


def most(a: Any, b: Any) -> Any:
    """The larger one of two values that may be unknown."""
    return b if a is None else a if b is None else max(a, b)
