"""`context.queues`: lists that a later run goes on with, in the platform's database (docs/sources/scraping.md).

The process of a run reads and writes them itself. Rows are committed first and their items crossed out then, so what
is lost between the two is collected again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.core.clock import database_now
from apps.runtime.fencing import GIVEN_UP
from apps.runtime.models import Runtime
from apps.runtime.queue_models import ItemQueue, QueuedItem, QueueSeen
from apps.runtime.queue_upkeep import delete_rows, forget, is_live
from apps.runtime.shipping import reconnecting
from collectors.queues import QueueCounts
from collectors.queues import QueuedItem as Item
from collectors.stores import SeenKeys
from collectors.toolkit.categories import PLATFORM, category_of
from collectors.toolkit.errors import CollectError, RetryLater, StorageError
from collectors.toolkit.journal.service import service

T = TypeVar("T")
#: So many rows are named in one statement.
PIECE = 500
#: For so long the platform's database is asked, when it does not answer.
PATIENCE_S, PAUSE_S = 60.0, 1.0


class PlatformAway(CollectError):
    """The platform's database did not answer; no fault of the source."""

    category = PLATFORM


class DjangoQueues:
    """The queues of the app of one run."""

    def __init__(self, run: Runtime, *, patience_s: float = PATIENCE_S) -> None:
        self._run, self._patience_s = run, patience_s

    def __call__(self, *, args: str, keep_s: float, attempts: int) -> DjangoQueue:
        """See `collectors.contract.Queues`."""
        digest = hashlib.sha256(args.encode()).hexdigest()
        queue, before = patiently(lambda: self._open(digest, timedelta(seconds=keep_s)), self._patience_s)
        continues = before if queue.is_listed and before != self._run.pk else ""
        if continues and service.journal is not None:
            service.journal.write("queue", {"continues": continues, "left": queue.left, "size": queue.size})
        return DjangoQueue(queue, continues=continues, attempts=attempts, patience_s=self._patience_s)

    def _open(self, digest: str, keep: timedelta) -> tuple[ItemQueue, str]:
        """The queue, and the run that worked on it before."""
        run = self._run
        with transaction.atomic():
            queue = ItemQueue.objects.select_for_update().filter(app_id=run.app_id, args_digest=digest).first()
            now = database_now()
            if queue is not None:
                self._refuse_if_taken(queue)
                if queue.expires_at > now:
                    before = queue.worked_by
                    queue.epoch, queue.worked_by, queue.touched_at = run.epoch, run.pk, now
                    queue.save(update_fields=["epoch", "worked_by", "touched_at"])
                    return queue, before
                forget(queue)
            try:
                with transaction.atomic():
                    queue = ItemQueue.objects.create(
                        app_id=run.app_id, args_digest=digest, worked_by=run.pk, epoch=run.epoch,
                        begun_at=now, touched_at=now, expires_at=now + keep,
                    )  # fmt: skip
            except IntegrityError:
                raise RetryLater("Another run has just begun the same list; this one is tried again later.") from None
            return queue, ""

    def _refuse_if_taken(self, queue: ItemQueue) -> None:
        if queue.epoch > self._run.epoch:
            raise StorageError(GIVEN_UP)
        if queue.worked_by != self._run.pk and is_live(queue.worked_by):
            raise RetryLater(
                f"The run {queue.worked_by[:8]} works on the same list; two never share one. This one is tried again "
                "later."
            )


class DjangoQueue:
    """See `collectors.contract.ItemQueue`."""

    def __init__(self, queue: ItemQueue, *, continues: str, attempts: int, patience_s: float = PATIENCE_S) -> None:
        self._pk, self._epoch = queue.pk, queue.epoch
        self._attempts, self._patience_s = attempts, patience_s
        self._last = 0
        self.continues = continues
        self.is_listed = queue.is_listed

    def counts(self) -> QueueCounts:
        """See `ItemQueue`."""
        queue = self._patiently(lambda: ItemQueue.objects.get(pk=self._pk))
        return QueueCounts(size=queue.size, left=queue.left, given_up=queue.given_up)

    def add(self, texts: Sequence[str]) -> None:
        """See `ItemQueue`."""
        rows = {
            digest: QueuedItem(queue_id=self._pk, digest=digest, text=text)
            for text in texts
            for digest in [hashlib.blake2b(text.encode(), digest_size=16).hexdigest()]
        }

        def insert() -> None:
            with self._held():
                QueuedItem.objects.bulk_create(rows.values(), ignore_conflicts=True, batch_size=PIECE)

        self._patiently(insert)

    def listed(self) -> None:
        """See `ItemQueue`."""

        def count() -> None:
            with self._held():
                size = QueuedItem.objects.filter(queue=self._pk).count()
                ItemQueue.objects.filter(pk=self._pk).update(size=size, is_listed=True)

        self._patiently(count)
        self.is_listed = True

    def take(self, count: int) -> list[Item]:
        """See `ItemQueue`."""
        left = QueuedItem.objects.filter(queue=self._pk, id__gt=self._last, failures__lt=self._attempts)
        found = self._patiently(lambda: list(left.order_by("id").values_list("id", "text")[:count]))
        if found:
            self._last = found[-1][0]
        return [Item(*row) for row in found]

    def settle(self, *, done: Sequence[int], failed: Sequence[int], seen: Sequence[SeenKeys]) -> None:
        """See `ItemQueue`."""

        def write() -> None:
            with self._held():
                gone = sum(delete_rows(QueuedItem.objects.filter(pk__in=some)) for some in _pieces(done))
                given_up = sum(self._note_failures(some) for some in _pieces(failed))
                rows = [QueueSeen(queue_id=self._pk, group=one.group, keys=one.keys) for one in seen]
                QueueSeen.objects.bulk_create(rows, batch_size=PIECE)
                ItemQueue.objects.filter(pk=self._pk).update(done=F("done") + gone, given_up=F("given_up") + given_up)

        self._patiently(write)

    def remove(self) -> None:
        """See `ItemQueue`."""

        def write() -> None:
            with self._held():
                forget(ItemQueue(pk=self._pk))

        self._patiently(write)

    def groups(self) -> list[str]:
        """See `SeenLedger`."""
        rows = QueueSeen.objects.filter(queue=self._pk).order_by("group")
        return self._patiently(lambda: list(rows.values_list("group", flat=True).distinct()))

    def keys(self, group: str) -> Iterator[bytes]:
        """See `SeenLedger`. A piece at a time: they may be those of millions of rows."""
        rows, last = QueueSeen.objects.filter(queue=self._pk, group=group).order_by("id"), 0
        while found := self._read(rows.filter(id__gt=last)[:20]):
            yield from (bytes(keys) for _, keys in found)
            last = found[-1][0]

    def _read(self, rows: Any) -> list[tuple[int, Any]]:
        return self._patiently(lambda: list(rows.values_list("id", "keys")))

    def _note_failures(self, numbers: Sequence[int]) -> int:
        """How many of these are given up now."""
        items = QueuedItem.objects.filter(pk__in=numbers)
        items.update(failures=F("failures") + 1)
        return items.filter(failures__gte=self._attempts).count()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """A transaction that begins with the proof that the queue is still this run's."""
        with transaction.atomic():
            if not ItemQueue.objects.filter(pk=self._pk, epoch=self._epoch).update(touched_at=Now()):
                raise StorageError("Another run has taken this list over, or somebody has removed it; this one ends.")
            yield

    def _patiently(self, work: Callable[[], T]) -> T:
        return patiently(work, self._patience_s)


def patiently(work: Callable[[], T], patience_s: float) -> T:
    """What `work` returns. While the database is away it is tried again, from its beginning.

    Raises `PlatformAway` when it is away for longer than `patience_s`.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            with reconnecting():
                return work()
        except DatabaseError as error:
            if category_of(error) != PLATFORM or connection.in_atomic_block:
                raise
            if time.monotonic() >= until:
                raise PlatformAway(
                    f"The platform's database, which holds the list of items, did not answer for {patience_s:g} s. "
                    "What was crossed out stays so; the next run goes on."
                ) from error
        time.sleep(min(PAUSE_S, patience_s))


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[first : first + PIECE] for first in range(0, len(numbers), PIECE))
