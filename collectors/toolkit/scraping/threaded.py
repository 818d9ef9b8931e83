"""A collector that handles several items at once, in threads."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, ClassVar

from collectors.contract import Record
from collectors.toolkit.scraping.base import BaseScraper
from collectors.toolkit.scraping.tally import Tally


class ThreadedScraper(BaseScraper):
    """`collect` runs in `workers` threads; `self.request` is a client of its own in each of them."""

    workers: ClassVar[int] = 5

    def _collect_all(self, items: Iterator[Any], tally: Tally, rows: list[Record]) -> None:
        pending: set[Future[list[Record]]] = set()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=self.context.app.app)
        try:
            for item in items:
                if self.context.stop_requested:
                    break
                # A copy of the context carries the log's bindings into the thread.
                pending.add(pool.submit(contextvars.copy_context().run, self._attempt, item, tally))
                # Feeding is bounded: a generator of a million items is read as fast as they are collected.
                if len(pending) >= 2 * self.workers:
                    pending = self._harvest(pending, rows)
            while pending:
                pending = self._harvest(pending, rows)
        except KeyboardInterrupt:
            # The run is being ended from outside: answers that take their time are not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()

    def _harvest(self, pending: set[Future[list[Record]]], rows: list[Record]) -> set[Future[list[Record]]]:
        done, rest = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            rows.extend(future.result())
        return rest
