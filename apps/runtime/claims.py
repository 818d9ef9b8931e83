"""Who may run: taking a slot, becoming RUNNING, and ending runs by hand whose process is gone.

An app has `max_parallel` slots, and a live run holds one of them: unique in the database, so two claims at the same
moment cannot both succeed. Every claim gets the next epoch of its app. Whoever takes a slot holds the row of the app:
always the app first, then its runs, so that claims, ticks and commands never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, router, transaction
from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import database_now, shared_now
from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.limits import limits_by_hand, limits_of
from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import ProcessIdentity, boot_id, is_gone, node_name
from apps.runtime.verdicts import PLATFORM

#: Ships what the journals of a run hold; true when nothing can follow.
Drain = Callable[[str], bool]


def nothing_to_drain(_run_id: str) -> bool:
    """For rows that never had a journal."""
    return True


class AppIsLive(Exception):
    """Every slot of the app is taken; the message names the run that is in the way."""


def open_run(
    app: App,
    *,
    owner: ProcessIdentity,
    args: dict[str, Any],
    now: datetime,
    drain: Drain = nothing_to_drain,
    **values: Any,
) -> Runtime:
    """A run by hand: a Runtime that is STARTING from the first moment, in a slot of its app. Raises `AppIsLive`."""
    end_lost_runs(now=now, app=app, drain=drain)
    run = Runtime(app=app, trigger=Runtime.Trigger.SHELL, args=args, queued_at=now, queue=app.queue, **values)
    run.limits = limits_by_hand(app)
    try:
        with transaction.atomic():
            # The update of the app's row makes claims of one app wait for each other.
            App.objects.filter(pk=app.pk).update(epoch=F("epoch") + 1)
            run.epoch, slots = App.objects.values_list("epoch", "max_parallel").get(pk=app.pk)
            live = _live_slots([app.pk]).get(app.pk, {})
            free = next((slot for slot in range(slots) if slot not in live), None)
            if free is None:
                others = ", ".join(sorted(live.values()))
                raise AppIsLive(f"{app.code} is running already (run {others}).")
            for name, value in asdict(owner).items():
                setattr(run, name, value)
            run.slot, run.state, run.heartbeat_at = free, State.STARTING, database_now()
            run.claimed_at = now
            run.save(force_insert=True)
            record("app.run_by_hand", app.code, source=AuditEntry.SHELL, now=now, obj=app, run=run.pk)
    except IntegrityError:
        raise AppIsLive(f"{app.code} was started by somebody else at this moment.") from None
    return run


def claim_runs(*, node: Node, queues: Collection[str], limit: int) -> list[Runtime]:
    """The oldest queued runs of these queues that have a free slot, at most `limit`; now STARTING, and `node`'s.

    An app that somebody else claims at this moment is passed over. Fewer than `limit` may be found while more are
    waiting; none are found only when none can be had. Times are compared by the database's clock.
    """
    candidates = _oldest(tuple(queues), limit) if limit > 0 else []
    if not candidates:
        return []
    app_ids = {run.app_id for run in candidates}
    with transaction.atomic():
        locked = App.objects.filter(pk__in=app_ids).select_for_update(skip_locked=True, no_key=True)
        apps = {app.pk: app for app in locked}
        return _take(candidates, apps, node) if apps else []


def _oldest(queues: tuple[str, ...], limit: int) -> list[Runtime]:
    sql, values = _oldest_as_sql(queues, limit, router.db_for_read(Runtime))
    return list(Runtime.objects.raw(sql, values))


@lru_cache(maxsize=100)
def _oldest_as_sql(queues: tuple[str, ...], limit: int, alias: str) -> tuple[str, tuple[Any, ...]]:
    """Worked out once: a manager asks this for every run and every second, and each time it would take it longer to
    write the question than the database to answer it."""
    sql, values = _claimable(queues)[:limit].query.get_compiler(alias).as_sql()
    return sql, tuple(values)


def _claimable(queues: Collection[str]) -> QuerySet[Runtime]:
    live = Runtime.objects.live().filter(app=OuterRef("app")).order_by().values("app").annotate(count=Count("*"))
    taken = Coalesce(Subquery(live.values("count"), output_field=IntegerField()), 0)
    waiting = Runtime.objects.queued().filter(queue__in=queues)
    return waiting.filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()), app__max_parallel__gt=taken)


def _live_slots(app_ids: Collection[int]) -> dict[int, dict[int | None, str]]:
    """App -> slot -> the run that holds it."""
    found: dict[int, dict[int | None, str]] = {}
    for app_id, slot, run_id in Runtime.objects.live().filter(app__in=app_ids).values_list("app_id", "slot", "id"):
        found.setdefault(app_id, {})[slot] = run_id
    return found


def _take(candidates: Iterable[Runtime], apps: dict[int, App], node: Node) -> list[Runtime]:
    """Give each run a slot and an epoch, as long as its app, whose row is locked, has one free."""
    slots, before = _live_slots(apps.keys()), {app.pk: app.epoch for app in apps.values()}
    claimed = []
    for run in candidates:
        app = apps.get(run.app_id)
        taken = slots.setdefault(run.app_id, {})
        free = next((slot for slot in range(app.max_parallel) if slot not in taken), None) if app else None
        if app is None or free is None:
            continue
        values = {"owner": node, "node": node.host, "boot_id": node.boot_id, "pid": None, "pid_started": None}
        values |= {"limits": limits_of(app), "claimed_at": shared_now()}
        # The epoch is set by this move: its guard is that the row is still queued.
        mine = Runtime.objects.filter(pk=run.pk, state=State.QUEUED)
        if mine.update(state=State.STARTING, slot=free, epoch=app.epoch + 1, **values):
            taken[free] = run.pk
            app.epoch += 1
            run.app, run.state, run.slot, run.epoch = app, State.STARTING, free, app.epoch
            for name, value in values.items():
                setattr(run, name, value)
            claimed.append(run)
    for app in apps.values():
        if app.epoch != before[app.pk]:
            App.objects.filter(pk=app.pk).update(epoch=app.epoch)
    return claimed


def begin(run: Runtime, *, owner: ProcessIdentity, code_version: str, now: datetime) -> bool:
    """STARTING -> RUNNING, with the process that does the work. False when the run was ended meanwhile."""
    return run.move(State.RUNNING, started_at=now, code_version=code_version, **asdict(owner))


def end_lost_runs(*, now: datetime, app: App | None = None, drain: Drain = nothing_to_drain) -> list[Runtime]:
    """End the runs by hand of this machine whose process is gone, as CRASHED. Returns what was ended.

    `drain` brings what a run said last into the database, before the run ends.
    """
    rows = Runtime.objects.live().filter(node=node_name(), owner__isnull=True, pid__isnull=False)
    if app is not None:
        rows = rows.filter(app=app)
    ended = []
    for run in rows.select_related("app"):
        owner = ProcessIdentity(run.node, run.boot_id, run.pid or 0, run.pid_started or 0)
        if is_gone(owner):
            rebooted = owner.boot_id != boot_id()
            why = "the machine was restarted" if rebooted else f"its process {owner.pid} ended without a word"
            complete = drain(run.pk)
            values = {"journal_complete": complete, **({"error_category": PLATFORM} if rebooted else {})}
            if end_run(run, State.CRASHED, now=now, cause=f"The run was lost: {why}.", **values):
                ended.append(run)
    return ended
