"""What one run of a scraper has in its hands: its items, its counts, and what is still to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from collectors.contract import Ending, Failure, Outcome, Record
from collectors.queues import ItemQueue
from collectors.stores import MergeSeries
from collectors.toolkit.scraping.feeds import Entry, Feed, from_list, from_queue, write_list
from collectors.toolkit.scraping.items import ItemTexts, args_text
from collectors.toolkit.scraping.shelf import Batch, FileLedger, Shelf
from collectors.toolkit.scraping.tally import Tally

if TYPE_CHECKING:
    from collectors.toolkit.scraping.base import BaseScraper

#: Batches of a source that can be gone on with, unless it says how large they are; and how old they grow.
RESUMED_EVERY, RESUMED_LONGEST_S = 500, 30.0


class Work:
    """One run, from its first item to its last row."""

    def __init__(self, scraper: BaseScraper) -> None:
        self.scraper, self.context = scraper, scraper.context
        self.tally = Tally(self.context, scraper.abort_rule)
        self.queue: ItemQueue | None = None
        self.solved_before = self.given_up = 0
        """Of a queue, by earlier runs."""
        every = scraper.store_every or (RESUMED_EVERY if scraper.resume else None)
        self.is_batched = every is not None
        self.shelf = Shelf(every=every, longest_s=RESUMED_LONGEST_S if scraper.resume else None)
        self._series: MergeSeries | None = None
        self._seen: FileLedger | None = None

    def open(self, stack: ExitStack) -> None:
        """Begin the series of merges, and find the queue; `stack` closes what is opened."""
        if not self.is_batched:
            return
        context = self.context
        self.scraper.is_complete = context.limit is None
        self._series = stack.enter_context(context.records.series())
        self._seen = stack.enter_context(closing(FileLedger()))
        if self.scraper.resume and context.limit is None and not context.dry_run:
            self.queue = context.queues(
                args=args_text(context.args),
                keep_s=self.scraper.resume_within_s,
                attempts=self.scraper.item_attempts,
            )

    # -- Items ------------------------------------------------------------------------------------------------------

    def feed(self) -> Feed:
        """The items, from where an earlier run left them or from the beginning."""
        if self.queue is None:
            return from_list(self.scraper._listed(self.tally))
        texts = ItemTexts(self.scraper.item_type)
        if not self.queue.is_listed and not write_list(
            self.queue, texts, self.scraper.prepare_list(), lambda: self.context.stop_requested
        ):
            return Feed(tuple)
        counts = self.queue.counts()
        self.solved_before, self.given_up = counts.done, counts.given_up
        self.tally.expect(counts.left)
        if self.queue.continues:
            self.context.log.info(
                "queue.continued",
                run=self.queue.continues,
                left=counts.left,
                given_up=counts.given_up,
                size=counts.size,
            )
        return from_queue(self.queue, texts)

    def settle(self, entry: Entry, rows: Sequence[Record] | None) -> None:
        """An item came to its end; None: it failed. `store_batch` is due when the shelf is full."""
        if rows is None and self.context.stop_requested:
            return  # it may have failed because of the stop: that is no attempt
        self.shelf.put(entry, rows)

    # -- Rows -------------------------------------------------------------------------------------------------------

    def store_batch(self, batch: Batch) -> None:
        """Commit its rows, then cross out its items."""
        if batch.rows:
            with self.context.records.transaction():
                self.scraper.store(batch.rows)
        seen = self._series.take() if self._series is not None else []
        if self.queue is not None:
            if batch.items:
                self.queue.settle(done=batch.done, failed=batch.failed, seen=seen)
        elif self._seen is not None:
            self._seen.add(seen)

    def finish(self, outcome: Outcome) -> None:
        """Store what is left; when the list is done, archive what nobody saw."""
        has_succeeded = outcome.ending is Ending.SUCCEEDED
        if isinstance(outcome, Failure) and outcome.is_blocked:
            return
        if not self.is_batched:
            self.scraper.is_complete = outcome.complete
            if has_succeeded or self.shelf.rows:
                with self.context.records.transaction():
                    self.scraper.store(self.shelf.clear().rows)
            return
        self.store_batch(self.shelf.clear())
        if has_succeeded:
            if outcome.complete:
                self._take_away()
            if self.queue is not None:
                self.queue.remove()

    def _take_away(self) -> None:
        ledger: Any = self.queue or self._seen
        if self._series is None or ledger is None:
            return
        if not list(ledger.groups()):
            # Not one row: the merge of nothing says of which tables, and the rules of these say whether that is right.
            with self.context.records.transaction():
                self.scraper.store([])
            if self.queue is not None:
                self.queue.settle(done=(), failed=(), seen=self._series.take())
            elif self._seen is not None:
                self._seen.add(self._series.take())
        self._series.finish(ledger)
