"""Retention of journal files. Every machine looks after its own: nobody else can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings

from apps.logs.models import JournalFile, SinkCursor
from apps.logs.router import sink_names
from apps.runtime.process import node_name

log = structlog.get_logger("sweep")


@dataclass(frozen=True, slots=True)
class Swept:
    """Journals that went, or that would go."""

    files: int = 0
    bytes: int = 0


def sweep_journals(root: Path, *, now: datetime, is_real: bool = True) -> Swept:
    """Remove journals that the database and every sink have whole, some days after they ended.

    One that somebody still waits for is kept as long as lines are; then it goes too, with a warning. A journal that is
    still written to is never touched. Raises `DatabaseError`; a file that cannot be removed is left for the next time.
    """
    files = size = 0
    for path in _due(root, now):
        bytes_on_disk = sum(part.stat().st_size for part in _parts(path))
        if is_real:
            try:
                _remove(path)
            except OSError as error:
                log.warning("journal.not_removed", path=str(path), reason=error.strerror)
                continue
        files, size = files + 1, size + bytes_on_disk
    return Swept(files, size)


def disk_use(root: Path) -> Swept:
    """All journals of this machine."""
    sizes = [part.stat().st_size for path in root.glob("*/*.journal") for part in _parts(path)]
    return Swept(sum(1 for _ in root.glob("*/*.journal")), sum(sizes))


def _due(root: Path, now: datetime) -> Iterator[Path]:
    old = now - timedelta(days=settings.DC_RETENTION_JOURNAL_DAYS)
    limits = [days for days in (settings.DC_RETENTION_LOGS_DAYS, settings.DC_RETENTION_RUNS_DAYS) if days]
    hopeless = now - timedelta(days=min(limits)) if limits else None
    rows = {row.path: row for row in JournalFile.objects.filter(node=node_name())}
    wanted = sink_names()
    done: dict[str, set[str]] = {}
    for journal, sink in SinkCursor.objects.filter(is_done=True, sink__in=wanted).values_list("journal_id", "sink"):
        done.setdefault(journal, set()).add(sink)
    for path in sorted(root.glob("*/*.journal")):
        row = rows.get(str(path.relative_to(root)))
        if row is None or row.sealed_at is None:
            continue  # not in the database, or not to its end: it is the only copy of what it holds
        waited_for = sorted(set(wanted) - done.get(row.pk, set()))
        if not waited_for and row.sealed_at < old:
            yield path
        elif waited_for and hopeless is not None and row.sealed_at < min(old, hopeless):
            log.warning("journal.given_up", path=str(path), sinks=waited_for)
            yield path


def _parts(path: Path) -> list[Path]:
    """The journal, and beside it what was damaged in it."""
    return [part for part in (path, path.with_suffix(".damaged")) if part.exists()]


def _remove(path: Path) -> None:
    for part in reversed(_parts(path)):  # the journal last: while it is there, the next sweep finds the rest too
        part.unlink()
    with suppress(OSError):
        path.parent.rmdir()  # when it was the last of its run
