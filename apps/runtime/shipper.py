"""The shipper: journals into the database, every frame exactly once.

A batch of frames and the offset behind them are one transaction, under a lock of the journal's row. A shipper that is
killed at any point leaves either all of a batch and its offset, or nothing of both; two shippers wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import F

from apps.core.clock import utc_now
from apps.logs.groups import apply_groups
from apps.logs.models import JournalFile, LogRejected, LogSequence
from apps.logs.storage import Origin, row_maker, store_rows
from apps.runtime.batch import Batch
from apps.runtime.frames import apply_frames
from apps.runtime.journals import quarantine, writer_is_dead
from apps.runtime.models import Runtime
from apps.runtime.process import node_name
from apps.runtime.shipping import no_garbage, reconnecting
from collectors.toolkit.journal import Damage, read_frames

log = structlog.get_logger("shipper")

#: About so many bytes of a journal make a batch: some thousands of lines.
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one call of `ship` brought into the database."""

    frames: int = 0
    lines: int = 0
    is_done: bool = False
    """Nothing follows: the journal is sealed, or its writer is dead and every whole frame is in."""


class Shipper:
    """Ships journals below `root`. `wake` is told the ids of runs that have new lines, after their commit."""

    def __init__(self, root: Path, *, wake: Callable[[Iterable[str]], None] | None = None) -> None:
        self.root = root
        self.wake = wake
        self._ids: dict[Path, str] = {}
        #: How much of a file the database has, as far as we know: a file that ends there has no news.
        self._ends: dict[Path, int] = {}
        self._done: set[Path] = set()

    def ship(self, path: Path) -> Shipped:
        """Bring everything that a journal holds now into the database. Raises `DatabaseError` and `OSError`."""
        total = Shipped()
        while True:
            with reconnecting():
                step = self._ship_batch(path)
            total = replace(step, frames=total.frames + step.frames, lines=total.lines + step.lines)
            if not step.frames or step.is_done:
                return total

    def ship_all(self, *, except_for: Container[str] = ()) -> Shipped:
        """Every journal of this machine that is not done. One that cannot be shipped now holds up no other.

        `except_for`: runs whose own process ships.
        """
        total = Shipped(is_done=True)
        for path in self.open_journals():
            if path.parent.name in except_for:
                continue
            try:
                one = self.ship(path)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one journal, the others are not
                log.warning("journal.not_shipped", path=str(path), reason=str(error).strip().partition("\n")[0])
                one = Shipped()
            total = Shipped(total.frames + one.frames, total.lines + one.lines, total.is_done and one.is_done)
        return total

    def ship_news(self, runtime_id: str) -> int:
        """Bring one batch of each journal of a run that is alive into the database. Returns how many frames.

        One batch, so that a run that says more than anybody can ship does not keep the others waiting.
        """
        frames = 0
        for path in sorted((self.root / runtime_id).glob("*.journal")):
            if self._ends.get(path) != path.stat().st_size:
                with reconnecting():
                    frames += self._ship_batch(path).frames
        return frames

    def forget(self, runtime_id: str) -> None:
        """Nothing follows in the journals of this run."""
        for path in [path for path in list(self._ends) if path.parent.name == runtime_id]:
            self._done.discard(path)
            self._ends.pop(path, None)
            self._ids.pop(path, None)

    def drain(self, runtime_id: str) -> bool:
        """Ship what the journals of one run hold. True when nothing can follow."""
        done = [self.ship(path).is_done for path in sorted((self.root / runtime_id).glob("*.journal"))]
        return all(done)

    def open_journals(self) -> list[Path]:
        """The journals on this machine's disk that the database does not have to their end."""
        with reconnecting():
            sealed = JournalFile.objects.filter(node=node_name(), sealed_at__isnull=False)
            done = set(sealed.values_list("path", flat=True))
        return [path for path in sorted(self.root.glob("*/*.journal")) if self._relative(path) not in done]

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def _ship_batch(self, path: Path) -> Shipped:
        if self._ends.get(path) == path.stat().st_size and (path in self._done or not writer_is_dead(path)):
            return Shipped(is_done=path in self._done)
        journal = self._register(path)
        if journal is None:
            return Shipped()
        try:
            with no_garbage():
                return self._ship_some(path, journal)
        except (DataError, IntegrityError) as error:
            log.warning("batch.refused", journal=journal.pk, reason=str(error).strip().partition("\n")[0])
            return self._ship_around(path, journal)

    def _register(self, path: Path) -> JournalFile | None:
        """The row of a journal, made from its first frame; None while that is not written yet."""
        known = self._ids.get(path)
        if known is not None and (row := JournalFile.objects.filter(pk=known).first()):
            return row
        first = next(iter(read_frames(path, limit=64 * 1024).frames), None)
        if first is None or first.kind != "open":
            return None
        about = first.data
        runtime = Runtime.objects.filter(pk=about.get("runtime") or "").first()
        row, _ = JournalFile.objects.get_or_create(
            pk=str(about["journal"])[:32],
            defaults={
                "runtime": runtime,
                "app_id": runtime.app_id if runtime else None,
                "role": str(about.get("role", ""))[:32],
                "node": str(about.get("node", node_name()))[:255],
                "path": self._relative(path),
                "created_at": datetime.fromtimestamp(first.at, UTC),
            },
        )
        self._ids[path] = row.pk
        return row

    def _ship_some(self, path: Path, journal: JournalFile, *, at_most: int | None = None) -> Shipped:
        """One transaction: frames, what follows from them, and the offset behind them."""
        with transaction.atomic():
            journal = JournalFile.objects.select_for_update().get(pk=journal.pk)
            batch = Batch(path, journal, BATCH_BYTES, at_most)
            self._store(batch)
            is_done = self._advance(path, batch)
        self._ends[path] = journal.offset
        if is_done:
            self._done.add(path)
        if journal.runtime_id and batch.frame_count and self.wake is not None:
            self.wake([journal.runtime_id])
        return Shipped(batch.frame_count, batch.line_count, is_done)

    def _store(self, batch: Batch) -> None:
        run_id = batch.journal.runtime_id
        last = self._last_number(run_id) if run_id else None
        rows = batch.rows(row_maker(Origin(run_id, batch.journal.app_id, batch.journal.pk)), last)
        first = next(rows, None)
        if first is not None:
            store_rows(chain([first], rows))
            apply_groups(batch.errors)
        if run_id and batch.line_count:
            LogSequence.objects.filter(runtime_id=run_id).update(last_line=F("last_line") + batch.line_count)
        apply_frames(batch)

    def _last_number(self, run_id: str) -> int:
        """The last line number of the run that is taken. The row stays locked, so that there are no gaps."""
        LogSequence.objects.get_or_create(runtime_id=run_id)
        sequence = LogSequence.objects.select_for_update().filter(runtime_id=run_id)
        return sequence.values_list("last_line", flat=True).get()

    def _advance(self, path: Path, batch: Batch) -> bool:
        journal, reading, sealed = batch.journal, batch.reading, batch.is_sealed
        if not batch.frame_count and writer_is_dead(path):
            sealed = True
            if reading.pending:
                reading.damage.append(Damage(reading.end, reading.end + reading.pending))
                reading.end += reading.pending
        if not batch.frame_count and not reading.damage and not sealed:
            return False
        quarantine(path, reading.damage)
        journal.offset = reading.end
        journal.seq = max(journal.seq, batch.last.seq) if batch.last else journal.seq
        journal.damaged_bytes += sum(piece.end - piece.start for piece in reading.damage)
        if dropped := batch.dropped:
            journal.dropped += dropped
            log.warning("journal.lines_dropped", journal=journal.pk, path=journal.path, dropped=dropped)
        journal.shipped_at = utc_now()
        # Looked at again later, it was not sealed later: retention counts from here.
        journal.sealed_at = (journal.sealed_at or utc_now()) if sealed else None
        journal.save()
        return sealed

    def _ship_around(self, path: Path, journal: JournalFile) -> Shipped:
        """A batch was refused: ship its halves, and keep a single frame that is refused alone aside."""
        frames = read_frames(path, journal.offset, limit=BATCH_BYTES).frames
        shipped, size = Shipped(), max(1, len(frames) // 2)
        for _ in range(2 * len(frames) + 2):
            if shipped.frames >= len(frames) or shipped.is_done:
                break
            try:
                step = self._ship_some(path, journal, at_most=size)
            except (DataError, IntegrityError) as error:
                if size > 1:
                    size //= 2
                    continue
                self._set_aside(path, journal, str(error))
                step = Shipped(frames=1)
            shipped = Shipped(shipped.frames + step.frames, shipped.lines + step.lines, step.is_done)
            size = min(2 * size, max(1, len(frames) // 2))
        return shipped

    def _set_aside(self, path: Path, journal: JournalFile, reason: str) -> None:
        with transaction.atomic():
            journal = JournalFile.objects.select_for_update().get(pk=journal.pk)
            frame = read_frames(path, journal.offset, limit=BATCH_BYTES).frames[0]
            LogRejected.objects.get_or_create(
                journal=journal,
                seq=frame.seq,
                defaults={
                    "kind": frame.kind[:20],
                    "payload": repr(frame.data)[:100_000].replace("\x00", ""),
                    "reason": reason.strip()[:1000],
                    "rejected_at": utc_now(),
                },
            )
            journal.offset, journal.seq = frame.end, frame.seq
            journal.save(update_fields=["offset", "seq"])
