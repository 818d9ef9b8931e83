"""One look at everything that somebody watches: a few queries, however many watch.

A version is computed from what was read, by every web process alike. So it is the cursor of whoever watches: one who
comes back, to any process, with the version they have is told whether it is still the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Q, Sum
from django.db.models.functions import Now

from apps.console.dashboard.topics import APPS, COMMANDS, MANAGERS, RUNS, Topic
from apps.console.sockets.passes import Codes, covers
from apps.registry.models import App
from apps.runtime.models import LIVE, Command, Runtime
from apps.runtime.node_models import Node

#: The newest runs and commands that lists are told about, and as many live runs as there may be.
NEWEST = 100
MOST_LIVE = 1_000
MOST_MANAGERS = 500

_RUN = (
    *("id", "app_id", "app__code", "state", "stop_stage", "attempt", "cause", "not_before", "started_at", "ended_at"),
    *("task_size", "solved", "failed", "eta_at", "request_count", "exception_count", "log_counts", "owner_id"),
    *("rows_seen", "rows_inserted", "rows_archived", "rows_unchanged", "rows_deleted", "rows_quarantined"),
)
_COMMAND = ("id", "app_id", "app__code", "state", "reason", "claimed_at", "finished_at", "runtime_id")
_APP = (
    *("id", "id", "code", "modified_at", "is_enabled", "fatal", "fatal_reason", "next_run_at", "is_on_trial"),
    *("remove_after", "schedule_version", "command_sequence", "failures_in_a_row", "owner_id"),
)
_NODE = ("id", "host", "slots", "used", "is_draining", "broker_error", "queues", "ended_at", "is_late")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that somebody may watch."""

    app_id: int | None
    app_code: str
    """Empty for what belongs to no app: only who may see everything is told of it."""
    version: str


Rows = Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read. `parts` is what lists are about; `single` are rows that are watched one by one."""

    parts: Mapping[str, Rows]
    single: Mapping[Topic, Row]
    _versions: dict[tuple[Topic, Codes], str] = field(default_factory=dict)

    def version(self, topic: Topic, codes: Codes) -> str | None:
        """The version of a topic for somebody who has its permission for `codes`; None when they may not see it."""
        if topic.key and (topic not in self.single or not covers(codes, self.single[topic].app_code)):
            return None
        known = self._versions.get((topic, codes))
        if known is None:
            known = self._versions[topic, codes] = digest(
                [(name, pk, row.version) for name, pk, row in self.rows(topic, codes)]
            )
        return known

    def rows(self, topic: Topic, codes: Codes) -> Iterable[tuple[str, str, Row]]:
        """Part, id and row of whatever a topic shows to them, always in the same order."""
        if topic in self.single:
            yield topic.name, topic.key, self.single[topic]
        for name in sorted(topic.parts):
            for pk, row in sorted(self.parts.get(name, {}).items()):
                is_of_it = not topic.key or str(row.app_id) == topic.key
                if is_of_it and (codes is None or (row.app_code and covers(codes, row.app_code))):
                    yield name, pk, row


def changed_ids(old: Snapshot, new: Snapshot, topic: Topic, codes: Codes) -> dict[str, list[str]]:
    """What changed of a topic: part -> ids. Parts that are known only as a whole have none."""
    before = {(name, pk): row.version for name, pk, row in old.rows(topic, codes)}
    after = {(name, pk): row.version for name, pk, row in new.rows(topic, codes)}
    found: dict[str, list[str]] = {}
    for name, pk in sorted(before.keys() | after.keys()):
        if before.get((name, pk)) != after.get((name, pk)):
            found.setdefault(name, []).extend([pk] if pk else [])
    return found


def digest(values: Any) -> str:
    """A short name for these values, the same in every process."""
    return blake2b(repr(values).encode(), digest_size=9).hexdigest()


def take_snapshot(topics: Iterable[Topic]) -> Snapshot:
    """Read what these topics are about: six queries at most."""
    wanted = set(topics)
    names: set[str] = set().union(*(topic.parts for topic in wanted))
    parts: dict[str, Rows] = {}
    if RUNS in names:
        live = Runtime.objects.filter(state__in=LIVE).order_by("-queued_at", "-id")[:MOST_LIVE]
        newest = Runtime.objects.order_by("-queued_at", "-id")[:NEWEST]
        parts[RUNS] = _rows(live.values_list(*_RUN)) | _rows(newest.values_list(*_RUN))
    if COMMANDS in names:
        parts[COMMANDS] = _rows(Command.objects.order_by("-id").values_list(*_COMMAND)[:NEWEST])
    if APPS in names:
        parts[APPS] = {"": Row(None, "", digest(_apps_as_a_whole()))}
    if MANAGERS in names:
        parts[MANAGERS] = _managers()
    return Snapshot(parts, _single(wanted, parts.get(RUNS, {})))


def _single(wanted: set[Topic], runs: Rows) -> dict[Topic, Row]:
    single: dict[Topic, Row] = {}
    app_ids = [topic.key for topic in wanted if topic.name == "app"]
    if app_ids:
        for pk, row in _rows(App.objects.filter(pk__in=app_ids).values_list(*_APP)).items():
            single[Topic("app", pk)] = row
    run_ids = [topic.key for topic in wanted if topic.name == "run"]
    found = {pk: runs[pk] for pk in run_ids if pk in runs}
    if missing := [pk for pk in run_ids if pk not in found]:
        found |= _rows(Runtime.objects.filter(pk__in=missing).values_list(*_RUN))
    return single | {Topic("run", pk): row for pk, row in found.items()}


def _rows(values: Iterable[tuple[Any, ...]]) -> dict[str, Row]:
    """Rows whose columns begin with their id and the id and code of their app."""
    return {str(row[0]): Row(row[1], row[2], digest(row)) for row in values}


def _apps_as_a_whole() -> dict[str, Any]:
    """Ten thousand apps are not read each time somebody presses a button: one row says whether any is another."""
    return App.objects.aggregate(
        count=Count("pk"),
        enabled=Count("pk", filter=Q(is_enabled=True)),
        modified=Max("modified_at"),
        commands=Sum("command_sequence"),
        schedules=Sum("schedule_version"),
        fatal=Max("fatal_at"),
        next=Max("next_run_at"),
        failures=Sum("failures_in_a_row"),
    )


def _managers() -> Rows:
    """The newest ones. That a lease is over is asked of the database, whose clock it was written by."""
    is_late = ExpressionWrapper(Q(lease_until__lt=Now()), output_field=BooleanField())
    nodes = Node.objects.annotate(is_late=is_late).order_by("-started_at", "-id")
    return {row[0]: Row(None, "", digest(row)) for row in nodes.values_list(*_NODE)[:MOST_MANAGERS]}
