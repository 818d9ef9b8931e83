"""Removing lists: those that are done, those that are too old, and those that somebody wants to begin anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.runtime.models import LIVE, Runtime
from apps.runtime.queue_models import ItemQueue, QueuedItem, QueueSeen

log = structlog.get_logger("runtime")


def is_live(run_id: str) -> bool:
    """Whether somebody still works on a queue."""
    return Runtime.objects.filter(pk=run_id, state__in=LIVE).exists()


def forget(queue: ItemQueue) -> None:
    """Delete a queue with all that is in it."""
    with transaction.atomic():
        delete_rows(QueuedItem.objects.filter(queue=queue.pk))
        delete_rows(QueueSeen.objects.filter(queue=queue.pk))
        delete_rows(ItemQueue.objects.filter(pk=queue.pk))


def remove_expired(*, now: datetime) -> int:
    """Delete queues that no run would go on with any more; returns how many."""
    due = [queue for queue in ItemQueue.objects.filter(expires_at__lte=now) if not is_live(queue.worked_by)]
    for queue in due:
        forget(queue)
        log.info("queue.expired", app=queue.app_id, left=queue.left)
    return len(due)


def delete_rows(rows: QuerySet[Any]) -> int:
    """One statement: nothing refers to these rows but what is deleted before them."""
    count: int = rows._raw_delete(rows.db)
    return count


def begin_anew(queues: Iterable[ItemQueue], *, actor: User | None, source: str, now: datetime) -> int:
    """Delete queues, so that the next run makes a new list; those that a run works on stay. Returns how many."""
    removed = 0
    for queue in queues:
        with transaction.atomic():
            held = ItemQueue.objects.select_for_update().select_related("app").filter(pk=queue.pk).first()
            if held is None or is_live(held.worked_by):
                continue
            about = {"left": held.left, "size": held.size}
            record("itemqueue.removed", str(held), source=source, actor=actor, now=now, before=about)
            forget(held)
            removed += 1
    return removed
