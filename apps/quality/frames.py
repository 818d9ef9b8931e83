"""What runs say of the quality of their merges, brought from their journals into the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import structlog
from pydantic import BaseModel, Field, ValidationError

from apps.quality.models import Dataset, Measurement, Outcome, QuarantinedRow
from apps.quality.payload import digest_of
from apps.quality.reading import history_of
from collectors.toolkit.journal import Frame
from collectors.toolkit.quality import spread_of

log = structlog.get_logger("quality")

KINDS = frozenset({"quality", "quarantine"})
#: Points in the trend that lists show; merges that say what is usual; with fewer, nothing is.
TREND, USUAL, COLD_START = 30, 30, 5

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Share = Annotated[float, Field(ge=0, le=1)]


class MergeFrame(BaseModel):
    """One merge that was judged."""

    model: Annotated[str, Field(min_length=3, max_length=200)]
    merge: Annotated[int, Field(ge=1, le=2**31 - 1)]


class MeasureFrame(MergeFrame):
    """How it went."""

    outcome: Literal["pass", "warn", "block"]
    scope: Annotated[str, Field(max_length=400)] = ""
    cause: str = ""
    verdicts: list[dict[str, Any]] = []
    is_complete: bool = True
    completeness: Share | None = None
    consistency: Share | None = None
    current: Count = 0
    seen: Count = 0
    inserted: Count = 0
    archived: Count = 0
    unchanged: Count = 0
    duplicates: Count = 0
    changed: Count = 0
    deleted: Count = 0
    quarantined: Count = 0


class QuarantineFrame(MergeFrame):
    """A row that was put aside."""

    row: Count
    rule: Annotated[str, Field(max_length=200)]
    field: Annotated[str, Field(max_length=100)] = ""
    reason: str
    payload: list[str]
    digest: Annotated[str, Field(max_length=64)]


_Shape = TypeVar("_Shape", bound=MergeFrame)


def store_frames(run_id: str, app_id: int | None, frames: Sequence[Frame]) -> None:
    """Bring these frames in, in the caller's transaction. Frames that came before change nothing."""
    rows = list(_read(QuarantineFrame, frames, "quarantine"))
    measures = list(_read(MeasureFrame, frames, "quality"))
    labels = sorted({shape.model for shape, _ in [*rows, *measures]})
    datasets = {label: _locked(label, run_id, app_id, frames) for label in labels}
    for label, dataset in datasets.items():
        _store_rows(dataset, run_id, [one for one in rows if one[0].model == label])
    for measure, at in measures:
        _store_measure(datasets[measure.model], run_id, measure, at)


def _read(shape: type[_Shape], frames: Iterable[Frame], kind: str) -> Iterable[tuple[_Shape, datetime]]:
    for frame in frames:
        if frame.kind == kind:
            try:
                yield shape.model_validate(frame.data), datetime.fromtimestamp(frame.at, UTC)
            except ValidationError as error:
                fault = error.errors(include_url=False, include_input=False)[0]
                reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                log.warning("frame.refused", kind=kind, frame=repr(frame.data)[:200], reason=reason)


def _locked(label: str, run_id: str, app_id: int | None, frames: Sequence[Frame]) -> Dataset:
    """The row of a dataset, made if there is none; always in the order of the labels, so nobody waits crosswise."""
    at = datetime.fromtimestamp(frames[-1].at, UTC)
    first = {"app_id": app_id, "outcome": Outcome.WARN, "runtime": run_id, "judged_at": at}
    Dataset.objects.get_or_create(label=label, defaults=first)
    return Dataset.objects.select_for_update().get(label=label)


def _store_rows(dataset: Dataset, run_id: str, rows: Sequence[tuple[QuarantineFrame, datetime]]) -> None:
    if not rows:
        return
    found = [_quarantined(dataset, run_id, frame, at) for frame, at in rows]
    again = QuarantinedRow.objects.filter(
        dataset=dataset, state=QuarantinedRow.State.HELD, digest__in={row.digest for row in found}
    ).exclude(runtime=run_id)
    # The same row, put aside by a run before: one of them is enough for whoever has to decide.
    again.update(state=QuarantinedRow.State.REPEATED, settled_at=found[-1].quarantined_at)
    QuarantinedRow.objects.bulk_create(found, batch_size=500, ignore_conflicts=True)


def _quarantined(dataset: Dataset, run_id: str, frame: QuarantineFrame, at: datetime) -> QuarantinedRow:
    payload = "".join(frame.payload)
    return QuarantinedRow(
        dataset=dataset, runtime=run_id, merge=frame.merge, row=frame.row, rule=frame.rule, field=frame.field,
        reason=frame.reason, payload=payload, digest=frame.digest, is_whole=digest_of(payload) == frame.digest,
        quarantined_at=at,
    )  # fmt: skip


def _store_measure(dataset: Dataset, run_id: str, frame: MeasureFrame, at: datetime) -> None:
    usual = history_of(dataset.label, frame.scope, most=USUAL)
    rows = frame.seen - frame.quarantined
    is_stored = frame.outcome != "block"
    values = {
        **frame.model_dump(exclude={"model", "merge"}),
        "at": at,
        "freshness_s": max(0.0, (at - dataset.good_at).total_seconds()) if dataset.good_at else None,
        "stability": spread_of(usual).distance(rows) if len(usual) >= COLD_START and frame.is_complete else None,
    }
    _, is_new = Measurement.objects.get_or_create(dataset=dataset, runtime=run_id, merge=frame.merge, defaults=values)
    if not is_new:
        return
    dataset.outcome, dataset.cause, dataset.runtime, dataset.judged_at = frame.outcome, frame.cause, run_id, at
    dataset.good_at = at if is_stored else dataset.good_at
    dataset.completeness = frame.completeness
    dataset.trend = [*dataset.trend, [rows, frame.outcome]][-TREND:]
    dataset.save()
