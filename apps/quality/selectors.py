"""What pages and commands read of quality."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.quality.models import QuarantinedRow


def held_rows(*, dataset: str = "", run: str = "", rule: str = "") -> QuerySet[QuarantinedRow]:
    """Rows that wait for somebody to decide, oldest first. `run` is the id of a run, or its beginning."""
    rows = QuarantinedRow.objects.filter(state=QuarantinedRow.State.HELD).select_related("dataset").order_by("pk")
    if dataset:
        rows = rows.filter(dataset__label=dataset.lower())
    if run:
        rows = rows.filter(runtime__startswith=run)
    return rows.filter(rule=rule) if rule else rows
