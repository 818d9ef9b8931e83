"""Apps with their newest runs, as Home and the page of an app show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from apps.registry.models import App
from apps.runtime.models import Runtime


@dataclass(slots=True)
class AppLine:
    """An app with its newest runs, oldest first."""

    app: App
    runs: list[Runtime] = field(default_factory=list)

    @property
    def last(self) -> Runtime | None:
        """Its newest run."""
        return self.runs[-1] if self.runs else None


def newest_first(apps: QuerySet[App]) -> QuerySet[App]:
    """Apps by their newest run; those that never ran come last."""
    newest = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at").values("queued_at")[:1]
    return apps.annotate(newest_at=Subquery(newest)).order_by(F("newest_at").desc(nulls_last=True), "code")


def strips(apps: Sequence[App], length: int) -> list[AppLine]:
    """The newest `length` runs of each app, in one query that walks the index (app, queued_at)."""
    lines = {app.pk: AppLine(app) for app in apps}
    if not lines:
        return []
    nth = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at").values("queued_at")
    since = App.objects.filter(pk__in=lines).annotate(since=Subquery(nth[length - 1 : length]))
    wanted = Q()
    for pk, moment in since.values_list("pk", "since"):
        wanted |= Q(app=pk) if moment is None else Q(app=pk, queued_at__gte=moment)
    found: dict[int, list[Runtime]] = defaultdict(list)
    for run in Runtime.objects.filter(wanted).order_by("-queued_at", "-id"):
        if len(found[run.app_id]) < length:
            found[run.app_id].append(run)
    for pk, runs in found.items():
        lines[pk].runs = runs[::-1]
    return list(lines.values())
