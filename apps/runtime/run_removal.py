"""Deleting runs with everything that belongs to them, a little at a time."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.logs.models import JournalFile, Log
from apps.runtime.journals import journal_root
from apps.runtime.models import ENDED, Runtime
from apps.runtime.process import node_name

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
        _leave_word_to_other_machines(batch)
        for run in batch:
            shutil.rmtree(journal_root() / run, ignore_errors=True)  # or its lines would be shipped once more
        Runtime.objects.filter(pk__in=batch, state__in=ENDED).delete()
        yield len(batch)


def _leave_word_to_other_machines(run_ids: Collection[str]) -> None:
    """The rows of journals whose files are on other machines stay, without a run.

    A file without a row would be shipped there once more. Retention counts from here, so that the sweep of that
    machine has time to remove the file before the row goes.
    """
    elsewhere = JournalFile.objects.filter(runtime__in=run_ids).exclude(node=node_name())
    elsewhere.update(runtime=None, app=None, sealed_at=Now())
