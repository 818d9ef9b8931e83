"""How the platform does, as numbers for a time series: few queries, each over an index that holds little."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import django
from django.db.models import Count, Max, Min, Q, Sum

from apps.core.clock import database_now
from apps.logs.group_models import ErrorGroup
from apps.logs.models import JournalFile, Log
from apps.notifications.models import Delivery
from apps.registry.models import App
from apps.runtime.machine import journal_backlog
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.node_models import Mark, Node
from apps.runtime.open_commands import open_commands
from apps.runtime.process import node_name
from collectors import __version__

#: A measurement serves everybody for so long.
KEPT_S = 5.0
RECENT = timedelta(minutes=5)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a series; `name` is that of Prometheus, without the prefix."""

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    kind: Literal["gauge", "counter"] = "gauge"


_lock = threading.Lock()
_kept: list[tuple[float, list[Figure]]] = []


def current_figures() -> list[Figure]:
    """All figures, or those of a few seconds ago. Raises `django.db.DatabaseError`."""
    with _lock:
        if not _kept or time.monotonic() - _kept[0][0] >= KEPT_S:
            _kept[:] = [(time.monotonic(), list(measure()))]
        return _kept[0][1]


def measure() -> Iterator[Figure]:
    """Look now."""
    now = database_now()
    labels = {"version": __version__, "python": platform.python_version(), "django": django.get_version()}
    yield Figure("build_info", "What is running; always 1.", 1, labels)
    yield from _runs(now)
    yield from _queues(now)
    yield from _managers(now)
    yield from _journals(now)
    yield from _rest(now)


def _runs(now: datetime) -> Iterator[Figure]:
    open_states = (State.QUEUED, *LIVE)
    counts = dict(_by(Runtime.objects.filter(state__in=open_states), "state"))
    for state in open_states:
        yield Figure("runs", "Runs that have not ended, by state.", counts.get(state, 0), {"state": state.value})
    recent = dict(_by(Runtime.objects.filter(queued_at__gt=now - RECENT), "state"))
    for state in State:
        text = "Runs that were queued in the last five minutes, by the state they are in."
        yield Figure("recent_runs", text, recent.get(state, 0), {"state": state.value})


def _by(rows: object, name: str) -> Iterator[tuple[str, int]]:
    grouped = rows.order_by().values_list(name).annotate(Count("pk"))  # type: ignore[attr-defined]
    yield from grouped


def _queues(now: datetime) -> Iterator[Figure]:
    waiting = Runtime.objects.filter(state=State.QUEUED).filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
    for queue, count, oldest in waiting.order_by().values_list("queue").annotate(Count("pk"), Min("queued_at")):
        yield Figure("queue_depth", "Runs that wait for a manager.", count, {"queue": queue})
        age = max(0.0, (now - oldest).total_seconds())
        yield Figure("queue_age_seconds", "How long the first of them has waited.", age, {"queue": queue})


def _managers(now: datetime) -> Iterator[Figure]:
    alive = Node.objects.filter(ended_at__isnull=True, lease_until__gt=now)
    found = alive.aggregate(
        count=Count("pk"), slots=Sum("slots"), used=Sum("used"), draining=Count("pk", filter=Q(is_draining=True))
    )
    yield Figure("managers", "Managers that are alive.", found["count"])
    yield Figure("managers_draining", "Those of them that take no more runs.", found["draining"])
    yield Figure("slots", "Runs they can hold together.", found["slots"] or 0)
    yield Figure("slots_used", "Slots that are taken.", found["used"] or 0)
    for name, at in Mark.objects.values_list("pk", "at"):
        age = max(0.0, (now - at).total_seconds())
        yield Figure("last_done_seconds", "How long ago somebody did it.", age, {"what": name})


def _journals(now: datetime) -> Iterator[Figure]:
    """Files are seen by their own machine alone, so these say which it is."""
    here = {"node": node_name()}
    text = "What open journals of this machine hold and the database does not."
    yield Figure("journal_backlog_bytes", text, journal_backlog(), here)
    shipped = JournalFile.objects.filter(sealed_at__isnull=True, runtime__state__in=LIVE)
    oldest = shipped.aggregate(oldest=Min("shipped_at"))["oldest"]
    if oldest is not None:
        text = "How long ago anything came of the journal of a live run from which nothing came for the longest."
        yield Figure("journal_silence_seconds", text, max(0.0, (now - oldest).total_seconds()))
    newest = Log.objects.aggregate(newest=Max("id"))["newest"] or 0
    yield Figure("log_lines", "Log lines that were stored, ever.", newest, kind="counter")


def _rest(now: datetime) -> Iterator[Figure]:
    pending = Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__isnull=False)
    failed = Delivery.objects.filter(created_at__gt=now - DAY, state=Delivery.State.FAILED)
    yield Figure("deliveries_pending", "Messages that wait to be sent.", pending.count())
    yield Figure("deliveries_failed", "Messages of the last day that could not be sent.", failed.count())
    yield Figure("commands_open", "Commands that are neither done nor refused.", open_commands().count())
    errors = ErrorGroup.objects.filter(state=ErrorGroup.State.OPEN)
    yield Figure("error_groups_open", "Errors, each counted once, that nobody has settled.", errors.count())
    apps = App.objects.aggregate(
        enabled=Count("pk", filter=Q(is_enabled=True)), fatal=Count("pk", filter=~Q(fatal=App.Fatal.NONE))
    )
    yield Figure("apps_enabled", "Apps that are enabled.", apps["enabled"])
    yield Figure("apps_disabled_by_platform", "Apps that the platform disabled by itself.", apps["fatal"])
