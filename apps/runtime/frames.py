"""What frames other than log lines change: progress, requests, tables, functions, and what is counted of lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import structlog
from django.db.models import F
from pydantic import BaseModel, Field, ValidationError

from apps.databases.objects import TouchedObject, objects_of, record_touches
from apps.databases.touching import Touched
from apps.logs.models import Log
from apps.quality.frames import KINDS as JUDGED
from apps.quality.frames import store_frames as store_judged
from apps.runtime.batch import Batch
from apps.runtime.functions import store_function_frames
from apps.runtime.models import Runtime
from collectors.toolkit.journal import Frame

log = structlog.get_logger("runtime")

#: The largest count that the columns of a run hold.
MOST = 2**31 - 1
#: A run that touches more tables than this is counted in the first ones alone.
MOST_OBJECTS = 200
ROWS = ("seen", "inserted", "archived", "unchanged")

Count = Annotated[int, Field(ge=0, le=MOST)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ObjectName = Annotated[str, Field(min_length=1, max_length=300)]
Operation = Literal["select", "insert", "update", "delete", "call"]


class ProgressFrame(BaseModel):
    """How far the run is; the newest one wins."""

    solved: Count = 0
    failed: Count = 0
    size: Count | None = None
    eta: Annotated[float, Field(ge=0, le=4102444800)] | None = None

    def values(self) -> dict[str, Any]:
        eta = datetime.fromtimestamp(self.eta, UTC) if self.eta else None
        return {"solved": self.solved, "failed": self.failed, "task_size": self.size, "eta_at": eta}


class BeginFrame(BaseModel):
    """What a collector of a manager says when it has its source."""

    code_version: Annotated[str, Field(max_length=64)]

    def values(self) -> dict[str, Any]:
        return {"code_version": self.code_version}


class QueueFrame(BaseModel):
    """It went on with the list of another run."""

    continues: Annotated[str, Field(max_length=32)]
    left: Annotated[int, Field(ge=0, le=2**62)]
    size: Annotated[int, Field(ge=0, le=2**62)]

    def values(self) -> dict[str, Any]:
        return {"continues": self.continues, "queue_left": self.left, "queue_size": self.size}


class HostFigures(BaseModel):
    """The requests to one host, or by one proxy."""

    count: Count
    failed: Count
    retried: Count = 0
    statuses: Annotated[dict[Name, Count], Field(max_length=20)]
    codes: Annotated[dict[Name, Count], Field(max_length=60)] = {}
    mean_ms: Milliseconds | None
    p50_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None
    p99_ms: Milliseconds | None = None


class HttpFrame(HostFigures):
    """All requests since the run began; the newest one wins."""

    hosts: Annotated[dict[str, HostFigures], Field(max_length=100)]
    proxies: Annotated[dict[str, HostFigures], Field(max_length=100)] = {}

    def values(self) -> dict[str, Any]:
        return {
            "http_summary": self.model_dump(),
            "request_count": self.count,
            "request_mean_ms": self.mean_ms,
            "request_p95_ms": self.p95_ms,
            # An attempt that was made again is part of one request, which ended as its last attempt did.
            "error_rate": min(1.0, self.failed / max(1, self.count - self.retried)) if self.count else None,
        }


class ObjectFrame(BaseModel):
    """One merge into a table."""

    model: Name
    table: Name
    action: Name
    seen: Count = 0
    inserted: Count = 0
    archived: Count = 0
    unchanged: Count = 0


class TouchedFrame(BaseModel):
    """Statements that were sent on one connection since the last such frame, without their values."""

    connection: Annotated[str, Field(min_length=1, max_length=63)]
    vendor: Annotated[str, Field(max_length=32)]
    shapes: Annotated[list[Annotated[str, Field(max_length=10_000)]], Field(max_length=1_000)]
    views: list[ObjectName]
    routines: list[ObjectName]
    noted: list[tuple[ObjectName, Operation]]

    def objects(self) -> set[TouchedObject]:
        return objects_of(Touched(**dict(self)))


def apply_frames(batch: Batch) -> None:
    """Bring the run of a journal up to date with what the frames said, in the caller's transaction.

    The caller holds the lock of the run's line numbers, which guards the sums too.
    """
    run_id = batch.journal.runtime_id
    if run_id is None:
        return
    values = {
        **_moments(batch.others),
        **_newest(BeginFrame, "begin", batch.others),
        **_newest(ProgressFrame, "progress", batch.others),
        **_newest(HttpFrame, "http", batch.others),
        **_newest(QueueFrame, "queue", batch.others),
        **_log_counts(run_id, batch.levels),
        **_touched_objects(run_id, batch.others),
    }
    if batch.exception_count:
        values["exception_count"] = F("exception_count") + batch.exception_count
    if values:
        Runtime.objects.filter(pk=run_id).update(**values)
    _record_touches(batch)
    if judged := [frame for frame in batch.others if frame.kind in JUDGED]:
        store_judged(run_id, batch.journal.app_id, judged)
    functions = [frame.data for frame in batch.others if frame.kind == "function"]
    if functions and batch.journal.app_id is not None:
        store_function_frames(run_id, batch.journal.app_id, functions)


#: Frame of a collector -> when it came to which point.
MOMENTS = {"begin": "begun_at", "end": "done_at"}


def _moments(frames: list[Frame]) -> dict[str, Any]:
    return {
        MOMENTS[frame.kind]: datetime.fromtimestamp(min(max(frame.at, 0.0), 4102444800), UTC)
        for frame in frames
        if frame.kind in MOMENTS
    }


def _newest(
    shape: type[BeginFrame | ProgressFrame | HttpFrame | QueueFrame], kind: str, frames: list[Frame]
) -> dict[str, Any]:
    newest = next((frame for frame in reversed(frames) if frame.kind == kind), None)
    return next((read.values() for read in _read(shape, [newest] if newest else [])), {})


_Shape = TypeVar("_Shape", bound=BaseModel)


def _read(shape: type[_Shape], frames: Iterable[Frame]) -> Iterable[_Shape]:
    """A frame that makes no sense is logged and left out: it must not hold up those behind it."""
    for frame in frames:
        try:
            yield shape.model_validate(frame.data)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            log.warning("frame.refused", kind=frame.kind, frame=repr(frame.data)[:200], reason=reason)


def _record_touches(batch: Batch) -> None:
    run_id, app_id = batch.journal.runtime_id, batch.journal.app_id
    frames = [frame for frame in batch.others if frame.kind == "touched"]
    if frames and run_id is not None and app_id is not None:
        touched = [one for read in _read(TouchedFrame, frames) for one in read.objects()]
        record_touches(app_id, run_id, touched, at=datetime.fromtimestamp(frames[-1].at, UTC))


def _log_counts(run_id: str, levels: Counter[int]) -> dict[str, Any]:
    """How many lines of each level."""
    if not levels:
        return {}
    counts = Counter(Runtime.objects.values_list("log_counts", flat=True).get(pk=run_id))
    counts.update({Log.Level(level).name: count for level, count in levels.items()})
    return {"log_counts": dict(counts)}


def _touched_objects(run_id: str, frames: list[Frame]) -> dict[str, Any]:
    """Rows by model, table and action, added to what the run has touched before."""
    told = list(_read(ObjectFrame, (frame for frame in frames if frame.kind == "object")))
    if not told:
        return {}
    before: list[dict[str, Any]] = Runtime.objects.values_list("touched_objects", flat=True).get(pk=run_id)
    sums = {(entry["model"], entry["table"], entry["action"]): entry for entry in before}
    for frame in told:
        key = (frame.model, frame.table, frame.action)
        if key not in sums and len(sums) >= MOST_OBJECTS:
            continue
        entry = sums.setdefault(key, {"model": key[0], "table": key[1], "action": key[2], "merges": 0})
        entry["merges"] += 1
        for name in ROWS:
            entry[name] = entry.get(name, 0) + getattr(frame, name)
    return {"touched_objects": list(sums.values())}
