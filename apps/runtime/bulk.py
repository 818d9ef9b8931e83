"""One action on many things: drawn up, looked at, confirmed once, and carried out bit by bit by whoever has time.

    job = draft(principal, Action.STOP, App.objects.filter(...), source="ADMIN", now=now)
    confirm(job, now=now)           a second time says False
    carry_out(job, max_seconds=1)   False while there is more to do: the workers go on

Each item is done in a transaction of its own, with the row that says so: it is done once, however many workers try and
whenever one of them is killed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from apps.accounts.audit import asking, record
from apps.accounts.policy import may, narrow
from apps.accounts.principal import Principal
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.bulk_actions import KINDS, Order, Refused, name_of, rows_of
from apps.runtime.bulk_models import BulkItem, BulkJob

log = structlog.get_logger("bulk")

MOST = 5_000
#: Longer than a slice of work; when it is over, the worker that had the job is gone.
CLAIM = timedelta(seconds=30)
AT_ONCE = 50
Action, Job, Item = BulkJob.Action, BulkJob.State, BulkItem.State


class TooMany(Exception):
    """More was chosen than one job carries; the message says how many."""


class NotAllowed(Exception):
    """They may do this with nothing; the message names the permission."""


def draft(
    asker: Principal,
    action: BulkJob.Action,
    rows: QuerySet[Any],
    *,
    source: str,
    now: datetime,
    address: str | None = None,
    back: str = "",
    options: Mapping[str, Any] | None = None,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    undo_of: BulkJob | None = None,
) -> BulkJob:
    """A job that waits to be confirmed: what will be done with which of `rows`, what is skipped and why.

    `values` holds options of single rows by their key, as text. What `asker` may not act on is left out and counted.
    Raises `TooMany`, `NotAllowed`.
    """
    kind = KINDS[action]
    if not may(asker, kind.permission):
        raise NotAllowed(_("This needs the permission %(permission)s.") % {"permission": kind.permission})
    chosen = list(_with_apps(narrow(asker, kind.permission, rows))[: MOST + 1])
    if len(chosen) > MOST:
        raise TooMany(
            _("At most %(most)s at once; narrow the filter, and do the rest after that.") % {"most": f"{MOST:,}"}
        )
    with translation.override("en"):  # stored with each row
        skips = kind.skips(chosen)
    job = BulkJob(action=action, options=dict(options or {}), issuer=asker.user, client=asker.client, source=source)
    job.scopes = None if asker.scopes is None else sorted(asker.scopes)
    job.address, job.back, job.undo_of, job.created_at = address, back[:500], undo_of, now
    job.total, job.skipped_count, job.left_out = len(chosen), len(skips), max(0, rows.count() - len(chosen))
    with transaction.atomic():
        job.save(force_insert=True)
        BulkItem.objects.bulk_create(_items(job, chosen, skips, values or {}), batch_size=500)
    return job


def confirm(job: BulkJob, *, now: datetime, options: Mapping[str, Any] | None = None) -> bool:
    """Let it be carried out, with these options. False when that was said before, as by the second of two clicks."""
    drafts = BulkJob.objects.filter(pk=job.pk, state=Job.DRAFT)
    said = {**job.options, **(options or {})}
    is_first = bool(drafts.update(state=Job.CONFIRMED, confirmed_at=now, options=said))
    job.refresh_from_db()
    return is_first


def cancel(job: BulkJob, *, now: datetime) -> bool:
    """Do no more of it; what is done stays done. False when it was over."""
    with transaction.atomic():
        open_jobs = BulkJob.objects.filter(pk=job.pk, state__in=(Job.DRAFT, Job.CONFIRMED))
        if not open_jobs.update(state=Job.CANCELLED, finished_at=now):
            return False
        job.items.filter(state=Item.WAITING).update(state=Item.CANCELLED, finished_at=now)
    _count(job)
    return True


def undo(job: BulkJob, asker: Principal, *, now: datetime, address: str | None = None) -> BulkJob:
    """A draft that takes back what was done. Raises `ValueError` where that cannot be."""
    inverse = KINDS[Action(job.action)].inverse
    done = list(job.items.filter(state=Item.DONE).values_list("object_id", "before"))
    if inverse is None or not done:
        raise ValueError(_("This cannot be undone."))
    rows = App.objects.filter(pk__in=[object_id for object_id, _before in done])
    values = dict(done) if inverse == job.action else {}
    return draft(
        *(asker, inverse, rows), source=job.source, now=now, address=address, back=job.back, values=values, undo_of=job
    )


def is_undoable(job: BulkJob) -> bool:
    """Whether `undo` would do something."""
    return (
        job.state in (Job.DONE, Job.CANCELLED)
        and bool(job.done_count)
        and KINDS[Action(job.action)].inverse is not None
    )


def carry_out(job: BulkJob, *, max_seconds: float | None = None) -> bool:
    """Do what is left of it, for about so long. True when nothing is left, or somebody else is at it."""
    now, begun = utc_now(), time.monotonic()
    mine = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
    if not BulkJob.objects.filter(mine, pk=job.pk, state=Job.CONFIRMED).update(claimed_until=now + CLAIM):
        return True
    try:
        while batch := list(job.items.filter(state=Item.WAITING)[:AT_ONCE]):
            rows = {str(row.pk): row for row in rows_of(Action(job.action), [item.object_id for item in batch])}
            for item in batch:
                _do(job, item, rows.get(item.object_id))
                if max_seconds is not None and time.monotonic() - begun >= max_seconds:
                    _count(job)
                    return not job.items.filter(state=Item.WAITING).exists() and _finish(job)
            if not BulkJob.objects.filter(pk=job.pk, state=Job.CONFIRMED).update(claimed_until=utc_now() + CLAIM):
                return True  # cancelled meanwhile
        return _finish(job)
    finally:
        BulkJob.objects.filter(pk=job.pk).update(claimed_until=None)


def open_jobs() -> QuerySet[BulkJob]:
    """Jobs that were confirmed and are not over, oldest first."""
    return BulkJob.objects.filter(state=Job.CONFIRMED).order_by("confirmed_at")


def _with_apps(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows if rows.model is App else rows.select_related("app")


def _items(
    job: BulkJob, rows: list[Any], skips: Mapping[Any, str], values: Mapping[str, Mapping[str, Any]]
) -> list[BulkItem]:
    return [
        BulkItem(
            job=job,
            position=position,
            object_id=str(row.pk),
            label=name_of(row)[:160],
            state=Item.SKIPPED if row.pk in skips else Item.WAITING,
            reason=skips.get(row.pk, ""),
            values=dict(values.get(str(row.pk), {})),
        )
        for position, row in enumerate(rows)
    ]


def _do(job: BulkJob, item: BulkItem, row: Any) -> None:
    """One of them, once: whoever changes its row first does it, in the same transaction."""
    now = utc_now()
    try:
        with transaction.atomic():
            if not BulkItem.objects.filter(pk=item.pk, state=Item.WAITING).update(state=Item.DONE, finished_at=now):
                return
            item.state, item.finished_at, item.reason = Item.DONE, now, _act(Order(job, item, now), row)
            item.state = Item.REFUSED if item.reason else Item.DONE
            item.save()
            _audit(job, item, row, now)
    except DatabaseError:
        raise
    except Exception as error:
        # A fault of one is told with that one, and keeps nobody from the others.
        log.exception("bulk.item_failed", job=job.pk, item=item.label)
        reason = f"It failed unexpectedly ({type(error).__name__}); the log of the platform has more."
        BulkItem.objects.filter(pk=item.pk).update(state=Item.REFUSED, reason=reason, finished_at=now)


def _act(order: Order, row: Any) -> str:
    """Do it. Returns why not."""
    kind = KINDS[Action(order.job.action)]
    if row is None:
        return "It is not there any more."
    if not may(order.job.principal, kind.permission, row):
        return "You may not do this with it any more."
    try:
        kind.do(order, row)
    except Refused as refusal:
        return str(refusal)
    return ""


def _audit(job: BulkJob, item: BulkItem, row: Any, now: datetime) -> None:
    said: dict[str, Any] = {"bulk": job.pk, "outcome": item.state.lower()}
    said |= {"reason": item.reason} if item.reason else {}
    said |= {"command": item.command_id} if item.command_id else {}
    with asking(client=job.client, address=job.address):
        action = f"bulk.{job.action.lower()}"
        record(action, item.label, source=job.source, actor=job.issuer, now=now, obj=row, before=item.before, **said)


def _finish(job: BulkJob) -> bool:
    BulkJob.objects.filter(pk=job.pk, state=Job.CONFIRMED).update(state=Job.DONE, finished_at=utc_now())
    _count(job)
    return True


def _count(job: BulkJob) -> None:
    counts = job.items.aggregate(
        done_count=Count("pk", filter=Q(state=Item.DONE)), refused_count=Count("pk", filter=Q(state=Item.REFUSED))
    )
    BulkJob.objects.filter(pk=job.pk).update(**counts)
    job.refresh_from_db()
