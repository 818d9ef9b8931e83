"""A collector that handles several items at once, in threads."""

from __future__ import annotations

import contextvars
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import ClassVar, TypeAlias

from collectors.contract import Record
from collectors.toolkit.deadlines import Deadline
from collectors.toolkit.errors import StopRun
from collectors.toolkit.scraping.base import BaseScraper
from collectors.toolkit.scraping.feeds import Entry, Feed
from collectors.toolkit.scraping.tally import Tally
from collectors.toolkit.scraping.work import Work

Pending: TypeAlias = dict[Future[list[Record] | None], Entry]


class ThreadedScraper(BaseScraper):
    """`collect` runs in `workers` threads; `self.request` is a client of its own in each of them."""

    workers: ClassVar[int] = 5

    def _collect_all(self, feed: Feed, work: Work) -> None:
        pending: Pending = {}
        under_way: set[Deadline] = set()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=self.context.app.app)
        try:
            for entry in feed:
                if self.context.stop_requested:
                    break
                # A copy of the context carries the log's bindings into the thread.
                run = contextvars.copy_context().run
                pending[pool.submit(run, self._attempt_in_thread, entry, work.tally, under_way)] = entry
                # Feeding is bounded: a generator of a million items is read as fast as they are collected.
                if len(pending) >= 2 * self.workers:
                    self._harvest(pending, work)
            while pending:
                self._harvest(pending, work)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, StopRun):
                for deadline in list(under_way):
                    deadline.call_off("The run ended meanwhile.")
            # Who ends the run from outside does not wait for answers that take their time.
            if not isinstance(error, KeyboardInterrupt):
                pool.shutdown(wait=True)
                _keep(pending, work)
            raise
        pool.shutdown()

    def _attempt_in_thread(self, entry: Entry, tally: Tally, under_way: set[Deadline]) -> list[Record] | None:
        deadline = Deadline(self.item_timeout_s)
        under_way.add(deadline)
        try:
            return self._attempt(entry, tally, deadline)
        finally:
            under_way.discard(deadline)

    def _harvest(self, pending: Pending, work: Work) -> None:
        """Take in what is done; wait until something is."""
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            entry = pending.pop(future)
            work.settle(entry, future.result())
        if work.shelf.is_full:
            work.store_batch(work.shelf.clear())


def _keep(pending: Pending, work: Work) -> None:
    """What was collected while the run gave up counts as collected, so it is kept."""
    for future, entry in pending.items():
        if not future.cancelled() and future.exception() is None and (rows := future.result()) is not None:
            work.settle(entry, rows)
