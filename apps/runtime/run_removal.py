"""Deleting runs with everything that belongs to them, a little at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from django.db.models import QuerySet

from apps.logs.models import Log
from apps.runtime.journals import journal_root
from apps.runtime.models import ENDED, Runtime

LINES_BATCH = 5_000
#: Runs take what belongs to them along, so fewer of them go at a time.
RUNS_BATCH = 50


def delete_runs(due: QuerySet[Runtime], *, is_real: bool) -> Iterator[int]:
    """Delete ended runs with their lines, journals and functions; yields how many runs each batch had."""
    if not is_real:
        yield due.count()
        return
    while batch := list(due.order_by("queued_at").values_list("pk", flat=True)[:RUNS_BATCH]):
        lines = Log.objects.filter(runtime_id__in=batch).values_list("pk", flat=True)
        while piece := list(lines[:LINES_BATCH]):
            Log.objects.filter(pk__in=piece).delete()
            yield 0
        for run in batch:
            shutil.rmtree(journal_root() / run, ignore_errors=True)  # or its lines would be shipped once more
        Runtime.objects.filter(pk__in=batch, state__in=ENDED).delete()
        yield len(batch)
