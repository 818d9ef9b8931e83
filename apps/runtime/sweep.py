"""Retention: what is old enough goes, a little at a time.

A sweep walks its rules one after the other and deletes in small batches with pauses between them, so that nobody waits
for it; it may end anywhere and go on later. `measure` walks the same way and deletes nothing: what it counts is what
`sweep` deletes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Model, Q, QuerySet

from apps.accounts import audit
from apps.accounts.models import AuditEntry
from apps.captcha.models import Solve, Spending
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.models import JournalFile, Log, LogRejected
from apps.logs.retention_models import SweptTable
from apps.logs.search_models import LogChunk, LogGram
from apps.logs.segments import delete_empty_segments
from apps.notifications.models import Delivery
from apps.proxies.models import ProxyReservation, ProxyTarget
from apps.quality.models import LetThrough, Measurement, QuarantinedRow
from apps.registry.models import App
from apps.runtime.bulk_models import BulkItem, BulkJob
from apps.runtime.day_models import RunDay
from apps.runtime.function_models import FunctionLog
from apps.runtime.lifecycle import StillRunning, due_removals, purge_app
from apps.runtime.models import ENDED, Command, Runtime
from apps.runtime.node_models import Node
from apps.runtime.run_removal import delete_runs
from apps.runtime.sweep_limits import any_of, at_place, words_of
from apps.runtime.table_size import table_bytes

BATCH = 5_000
SHORTEST_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept of some tables. `batches(is_real)` yields how many rows each batch has; real ones are deleted."""

    name: str
    text: str
    tables: tuple[type[Model], ...]
    batches: Callable[[bool], Iterator[int]]

    @property
    def row_count(self) -> int:
        """Rows of the first of the tables, which the others only accompany."""
        return self.tables[0]._default_manager.count()


@dataclass(slots=True)
class Sweep:
    """Every rule, at one moment. `step` deletes one batch, so that a caller decides how long it goes on."""

    now: datetime

    def rules(self) -> list[Rule]:
        """What is kept, as the settings say."""
        days, most = settings.DC_RETENTION_LOGS_DAYS, settings.DC_RETENTION_LOGS_MAX_ROWS
        long = settings.DC_RETENTION_COMMANDS_DAYS
        old, very_old, text = self._before(days), self._before(long), words_of(days)
        return [
            Rule("lines", words_of(days, most), (Log, LogChunk, LogGram), lambda real: self._lines(real, old, most)),
            self._aged("functions in runs", days, FunctionLog, "last_end_at"),
            self._aged("refused frames", days, LogRejected, "rejected_at"),
            Rule("error groups", text, (ErrorGroup, ErrorGroupApp), self._by(ErrorGroup, "last_seen_at", old)),
            Rule("journals without a run", text, (JournalFile,), self._platform_journals(days)),
            self._commands(),
            Rule("bulk actions", words_of(long), (BulkJob, BulkItem), self._by(BulkJob, "created_at", very_old)),
            self._aged("messages", long, Delivery, "created_at"),
            self._aged("merges let through", long, LetThrough, "expires_at"),
            self._aged("measurements of quality", settings.DC_RETENTION_RUNS_DAYS, Measurement, "at"),
            # What nobody has settled stays: it is nowhere else.
            self._aged("rows out of quarantine", settings.DC_RETENTION_RUNS_DAYS, QuarantinedRow, "settled_at"),
            Rule("audit entries", words_of(long), (AuditEntry,), lambda real: audit.expire(very_old, is_real=real)),
            self._aged("leases of proxies", settings.DC_RETENTION_RUNS_DAYS, ProxyReservation, "released_at"),
            self._aged("sites by proxy", settings.DC_RETENTION_RUNS_DAYS, ProxyTarget, "last_used_at"),
            self._aged("captchas", settings.DC_RETENTION_RUNS_DAYS, Solve, "ended_at"),
            self._aged("sums of captchas", settings.DC_RETENTION_RUNS_DAYS, Spending, "day"),
            self._runs(),
            self._aged("sums of days", settings.DC_RETENTION_RUNS_DAYS, RunDay, "day"),
            self._managers(),
            Rule("apps to be removed", "until their grace is over", (App,), self._removals),
        ]

    def step(self) -> Iterator[tuple[str, int]]:
        """Delete batch after batch: the name of the rule and how many rows went. Raises `DatabaseError`."""
        for rule in self.rules():
            for count in rule.batches(True):  # noqa: FBT003 - the one thing a rule is asked
                yield rule.name, count

    def _before(self, days: int) -> datetime | None:
        return self.now - timedelta(days=days) if days else None

    def _lines(self, is_real: bool, old: datetime | None, most: int) -> Iterator[int]:  # noqa: FBT001
        """Lines stand in the order in which they came, so the old ones are in front: no index on their time is needed.

        The walk ends at the first batch in which nothing is old. A line with a wrong, future time stays where it is
        and holds up no other.
        """
        newest_due = at_place(Log.objects.order_by("-pk"), most)
        due = any_of(Q(logged_at__lt=old) if old else None, Q(pk__lte=newest_due) if newest_due else None)
        cursor = 0
        while due:
            batch = Log.objects.filter(pk__gt=cursor).order_by("pk").values_list("pk", flat=True)[:BATCH]
            last = max(batch, default=0)
            doomed = Log.objects.filter(due, pk__gt=cursor, pk__lte=last)
            count = doomed.delete()[0] if is_real else doomed.count()
            if not count:
                break
            cursor = last
            yield count
        if is_real:
            oldest = Log.objects.order_by("pk").values_list("pk", flat=True).first() or 0
            LogChunk.objects.filter(last_id__lt=oldest).delete()
            delete_empty_segments()

    def _aged(self, name: str, days: int, model: type[Model], field: str) -> Rule:
        return Rule(name, words_of(days), (model,), self._by(model, field, self._before(days)))

    def _by(self, model: type[Model], field: str, old: datetime | None) -> Callable[[bool], Iterator[int]]:
        due = model._default_manager.filter(**{f"{field}__lt": old}) if old else model._default_manager.none()
        return lambda is_real: _oldest_first(due, is_real=is_real)

    def _platform_journals(self, days: int) -> Callable[[bool], Iterator[int]]:
        """Journals of runs go with their runs; those of the platform when nothing they brought is left."""
        due = JournalFile.objects.none()
        if days:
            old = min(self.now - timedelta(days=days), self._files_are_gone)
            due = JournalFile.objects.filter(runtime__isnull=True, sealed_at__lt=old)
        return lambda is_real: _oldest_first(due, is_real=is_real)

    @property
    def _files_are_gone(self) -> datetime:
        # The row of a journal keeps its file from being shipped once more, so it stays until the file is gone.
        return self.now - timedelta(days=settings.DC_RETENTION_JOURNAL_DAYS + 1)

    def _commands(self) -> Rule:
        days, most = settings.DC_RETENTION_COMMANDS_DAYS, settings.DC_RETENTION_COMMANDS_MAX_ROWS
        finished, old = Command.objects.filter(finished_at__isnull=False), self._before(days)
        newest_due = at_place(finished.order_by("-pk"), most)
        due = any_of(Q(finished_at__lt=old) if old else None, Q(pk__lte=newest_due) if newest_due else None)
        rows = finished.filter(due) if due else finished.none()
        return Rule("commands", words_of(days, most), (Command,), lambda real: _oldest_first(rows, is_real=real))

    def _managers(self) -> Rule:
        """Managers that ended, each start one row; those that a run or a command names stay with it."""
        days = settings.DC_RETENTION_RUNS_DAYS
        ended = Node.objects.filter(runtimes__isnull=True, commands__isnull=True)
        rows = ended.filter(ended_at__lt=self._before(days)) if days else ended.none()
        return Rule("managers that ended", words_of(days), (Node,), lambda real: _oldest_first(rows, is_real=real))

    def _runs(self) -> Rule:
        """Runs that ended, never live ones, with their lines, journals and functions."""
        days, most = settings.DC_RETENTION_RUNS_DAYS, settings.DC_RETENTION_RUNS_MAX_ROWS
        ended, old = Runtime.objects.filter(state__in=ENDED), self._before(days)
        newest_first = ended.order_by("-queued_at", "-pk").values_list("queued_at", flat=True)
        surplus = newest_first[most : most + 1].first() if most else None
        due = any_of(Q(ended_at__lt=old) if old else None, Q(queued_at__lte=surplus) if surplus else None)
        rows = ended.filter(due, ended_at__lt=self._files_are_gone) if due else ended.none()
        return Rule("runs", words_of(days, most), (Runtime,), lambda real: delete_runs(rows, is_real=real))

    def _removals(self, is_real: bool) -> Iterator[int]:  # noqa: FBT001
        """Apps whose grace is over; one that still runs waits for the next sweep."""
        for app in due_removals(now=self.now):
            if not is_real:
                yield 1
                continue
            with suppress(StillRunning):
                for table, count in purge_app(app, source=Command.Source.PLATFORM, now=self.now):
                    yield count if table == "apps" else 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a sweep did."""

    deleted: dict[str, int]
    """Name of the rule -> rows."""
    is_done: bool
    """False when the time was over first."""


def sweep(*, now: datetime, sleep: Callable[[float], None] = time.sleep, max_seconds: float | None = None) -> Result:
    """Delete what is due, in small batches, for about `max_seconds`; several calls with one `now` are one sweep.

    Writes what it did for the page of retention. Raises `django.db.DatabaseError`.
    """
    begun, deleted, is_done = time.monotonic(), dict[str, int](), True
    batch_begun = begun
    for name, count in Sweep(now).step():
        deleted[name] = deleted.get(name, 0) + count
        if max_seconds is not None and time.monotonic() - begun >= max_seconds:
            is_done = False
            break
        # At most half of the time is ours, whatever a batch costs on this database.
        sleep(max(SHORTEST_PAUSE_S, time.monotonic() - batch_begun))
        batch_begun = time.monotonic()
    for name, count in deleted.items():
        _note_deleted(name, count, now)
    return Result(deleted, is_done)


def measure(*, now: datetime) -> list[SweptTable]:
    """What each table costs, and what a sweep at `now` deletes. Deletes nothing; the page of retention shows it."""
    tables = []
    for rule in Sweep(now).rules():
        values = {
            "rule": rule.text,
            "row_count": rule.row_count,
            "bytes": table_bytes(rule.tables),
            "due_count": sum(rule.batches(False)),  # noqa: FBT003
            "due_at": now,
        }
        tables.append(SweptTable.objects.update_or_create(name=rule.name, defaults=values)[0])
    return tables


def _note_deleted(name: str, count: int, now: datetime) -> None:
    for table in SweptTable.objects.filter(name=name):
        # A sweep in slices is one sweep: they have the same `now`.
        table.deleted_count = count + (table.deleted_count if table.swept_at == now else 0)
        table.swept_at = now
        table.save(update_fields=["deleted_count", "swept_at"])


def _oldest_first(due: QuerySet[Model], *, is_real: bool) -> Iterator[int]:
    if not is_real:
        yield due.count()
        return
    while batch := list(due.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        due.model._default_manager.filter(pk__in=batch).delete()
        yield len(batch)
