"""Lists from which one chooses many: a preview of what will be done, or a file of what they say."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from apps.accounts.address import client_address
from apps.accounts.audit import ADMIN, record
from apps.accounts.principal import principal_of
from apps.core.clock import utc_now
from apps.records.exports.cells import guarded
from apps.registry.schedules import describe_schedule
from apps.runtime import bulk
from apps.runtime.bulk_models import BulkJob

Columns = dict[str, Callable[[Any], Any]]
MOST_EXPORTED = 10_000

APP_COLUMNS: Columns = {
    "code": lambda app: app.code,
    "enabled": lambda app: "yes" if app.is_enabled else "no",
    "disabled by the platform": lambda app: app.fatal_reason,
    "kind": lambda app: app.kind,
    "schedule": describe_schedule,
    "time zone": lambda app: app.time_zone,
    "next run": lambda app: app.next_run_at,
    "owner": lambda app: app.owner or "",
    "tags": lambda app: ", ".join(app.tags),
    "failures in a row": lambda app: app.failures_in_a_row,
    "description": lambda app: app.description,
}
RUN_COLUMNS: Columns = {
    "id": lambda run: run.pk,
    "app": lambda run: run.app.code,
    "state": lambda run: run.state,
    "trigger": lambda run: run.trigger,
    "queued at": lambda run: run.queued_at,
    "started at": lambda run: run.started_at,
    "ended at": lambda run: run.ended_at,
    "cause": lambda run: run.cause,
    "seen": lambda run: run.rows_seen,
    "inserted": lambda run: run.rows_inserted,
    "archived": lambda run: run.rows_archived,
    "unchanged": lambda run: run.rows_unchanged,
    "quarantined": lambda run: run.rows_quarantined,
}


class BulkActions:
    """For the admin class of a list; its actions call one of these."""

    export_columns: Columns
    opts: Any
    message_user: Callable[..., None]

    def draw_up(self, request: HttpRequest, action: BulkJob.Action, rows: QuerySet[Any]) -> HttpResponse | None:
        """The preview of an action on what was chosen."""
        asker, now = principal_of(request.user), utc_now()
        address, back = client_address(request.META), request.get_full_path()
        try:
            job = bulk.draft(asker, action, rows, source=ADMIN, now=now, address=address, back=back)
        except (bulk.TooMany, bulk.NotAllowed) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return None
        return redirect(reverse("admin:runtime_bulkjob_change", args=[job.pk]))

    def export(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        """What was chosen, as a file for a spreadsheet."""
        now, name = utc_now(), str(self.opts.verbose_name_plural)
        actor: Any = request.user  # a User: admin_view lets nobody else in
        action = f"{self.opts.model_name}.exported"
        record(action, name, source=ADMIN, actor=actor, now=now, query=request.GET.urlencode())
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}-{now:%Y%m%d-%H%M%S}.csv"'
        writer = csv.writer(answer)
        writer.writerow(self.export_columns)
        for row in rows[:MOST_EXPORTED]:
            writer.writerow([_cell(read(row)) for read in self.export_columns.values()])
        return answer


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else guarded(str(value))
