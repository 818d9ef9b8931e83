"""Celery tasks of the runtime. Messages only make things faster: what has to happen stands in rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import shared_task

from apps.accounts.upkeep import forget_what_is_over
from apps.core.clock import utc_now
from apps.logs.indexing import index_chunks
from apps.runtime import bulk, housekeeping, vital_signs
from apps.runtime.journals import journal_root
from apps.runtime.sweep import measure, sweep
from apps.runtime.sweep_journals import sweep_journals

#: Work of minutes is done in slices, each a message of its own: a worker that has only one process still ticks.
SLICE_S = 0.5


@shared_task(name="runtime.tick", acks_late=False)  # type: ignore[untyped-decorator]  # celery ships no types
def tick() -> None:
    """Once a second. What it leaves behind tells the managers and the people that beat, broker and worker live."""
    housekeeping.tick()
    vital_signs.beat("clock")


@shared_task(name="runtime.sweep")  # type: ignore[untyped-decorator]
def sweep_old(began_at: str | None = None) -> None:
    """Once a day: delete what retention says, then count what the next day will delete."""
    now = datetime.fromisoformat(began_at) if began_at else utc_now()
    if began_at is None:
        sweep_journals(journal_root(), now=now)
        forget_what_is_over(now=now)
    if not sweep(now=now, max_seconds=SLICE_S).is_done:
        sweep_old.delay(now.isoformat())
        return
    measure(now=now + timedelta(days=1))


@shared_task(name="runtime.index_logs", acks_late=False)  # type: ignore[untyped-decorator]
def index_logs() -> None:
    """Every few seconds: index lines for the text search."""
    if index_chunks(SLICE_S):
        index_logs.apply_async(expires=10)


@shared_task(name="runtime.bulk", acks_late=False)  # type: ignore[untyped-decorator]
def carry_out_bulk() -> None:
    """Every other second: go on with actions on many. A job is claimed, so that any number of workers may ask."""
    for job in bulk.open_jobs()[:10]:
        if not bulk.carry_out(job, max_seconds=SLICE_S):
            carry_out_bulk.apply_async(expires=10)
            return
