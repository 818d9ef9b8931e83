"""The reaper: ends runs whose owner is gone, from any machine.

A manager that is alive ends its own runs, and what it finds on its own machine. What is left is a machine that was
lost, and all anybody can know of it is that its lease ran out. When nobody reaped for a while, the database or this
machine was away, and so were the heartbeats: then nobody is declared dead before every manager had time to show itself.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog
from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from apps.core.clock import database_now
from apps.core.silence import limit_silence
from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.node_models import Mark, Node
from apps.runtime.nodes import LEASE
from apps.runtime.process import node_name
from apps.runtime.verdicts import PLATFORM

log = structlog.get_logger("reaper")

PERIOD_S = 1.0
#: Somebody else reaped a moment ago.
FRESH = timedelta(seconds=0.8)
#: After a longer pause than this between two ticks, nobody is declared dead for the length of a lease.
LONGEST_PAUSE = timedelta(seconds=4)
#: Every reaper waits for the one that is at it: if that one hangs, no longer than is a pause.
LONGEST_TURN_S = 2.0


def reap(*, now: datetime) -> list[Runtime]:
    """One tick. `now` is the database's clock. Returns the runs that were ended."""
    if not _may_reap(now):
        return []
    _end_silent_nodes(now)
    return [run for run_id in list(_ownerless(now).values_list("pk", flat=True)) if (run := _end(run_id, now))]


def _may_reap(now: datetime) -> bool:
    """Note the tick; whether the times it would judge by can be relied on."""
    seen = Mark.objects.filter(pk="reaper").first()
    if seen is not None and timedelta(0) <= now - seen.at < FRESH:
        return False
    with transaction.atomic():
        mark = Mark.objects.select_for_update(no_key=True).filter(pk="reaper").first()
        if mark is None:
            Mark.objects.get_or_create(pk="reaper", defaults={"at": now, "quiet_until": now + LEASE})
            return False
        if abs(now - mark.at) < FRESH:
            # Since we looked. That it may be ahead of us does not mean that a clock was turned back.
            return False
        if not timedelta(0) <= now - mark.at <= LONGEST_PAUSE:
            mark.quiet_until = now + LEASE
        mark.at = now
        mark.save(update_fields=["at", "quiet_until"])
    return mark.quiet_until is None or now >= mark.quiet_until


def _end_silent_nodes(now: datetime) -> None:
    for node in Node.objects.filter(ended_at__isnull=True, lease_until__lt=now):
        silent = round((now - node.heartbeat_at).total_seconds())
        # The guard is the lease: a heartbeat at this moment wins or loses, and both sides know which.
        ended = Node.objects.filter(pk=node.pk, ended_at__isnull=True, lease_until__lt=now).update(
            ended_at=now, end_cause=f"It was not heard of for {silent} s.", used=0
        )
        if ended:
            log.warning("node.lost", node=node.pk, host=node.host, silent_s=silent)


def _ownerless(now: datetime) -> QuerySet[Runtime]:
    """Live runs that nobody answers for: their manager ended or its row is gone, or nothing was heard of a run by hand.

    Runs by hand of this machine are left out: here a process is looked for, and not waited for.
    """
    seen = Coalesce("heartbeat_at", "started_at", "queued_at")
    unheard = Q(owner__isnull=True, seen_at__lt=now - LEASE) & (Q(heartbeat_at__isnull=True) | ~Q(node=node_name()))
    return Runtime.objects.live().annotate(seen_at=seen).filter(Q(owner__ended_at__isnull=False) | unheard)


def _end(run_id: str, now: datetime) -> Runtime | None:
    with transaction.atomic():
        App.objects.select_for_update(no_key=True).filter(runtimes=run_id).values_list("pk").first()
        # Asked once more with the row locked: the manager of its machine may have taken it over meanwhile.
        row = Runtime.objects.select_for_update(no_key=True).filter(pk=run_id, state__in=LIVE).first()
        if row is None or not _ownerless(now).filter(pk=run_id).exists():
            return None
        run = Runtime.objects.select_related("app", "owner").get(pk=run_id)
        who = f"its manager on {run.owner.host} is gone" if run.owner else f"nothing was heard of it on {run.node}"
        values = {"journal_complete": False, "error_category": PLATFORM}
        if not end_run(run, State.CRASHED, now=now, cause=f"The run was lost: {who}.", **values):
            return None
    log.warning("run.reaped", runtime=run.pk, app=run.app.code, cause=run.cause)
    return run


class Reaper(threading.Thread):
    """Reaps once a second."""

    def __init__(self) -> None:
        super().__init__(name="reaper", daemon=True)
        self._closing = threading.Event()

    def run(self) -> None:
        """Until closed. A database that is away is asked again."""
        limit_silence(idle_s=LONGEST_TURN_S)
        try:
            while not self._closing.wait(PERIOD_S):
                try:
                    reap(now=database_now())
                except Exception as error:  # noqa: BLE001 - a reaper that ends is missed by nobody, until it is too late
                    log.debug("reaper.missed", reason=str(error).strip().partition("\n")[0])
                    connections.close_all()
        finally:
            connections.close_all()

    def close(self) -> None:
        """Reap no more."""
        self._closing.set()
        if self.is_alive():
            self.join(5)
