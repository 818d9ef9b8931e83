"""A collector that handles many items at once, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from collectors.contract import Record
from collectors.toolkit.scraping.base import BaseScraper
from collectors.toolkit.scraping.tally import Tally


class AsyncScraper(BaseScraper):
    """`collect` is `async def` and returns its rows; `concurrency` items are under way at a time.

    `prepare_list` and `store` are plain methods: nothing else happens while they run.
    """

    concurrency: ClassVar[int] = 10

    async def collect(self, item: Any) -> Iterable[Record]:
        """Fetch and parse one item, awaiting `self.request.aget(...)`."""
        raise NotImplementedError(f"{type(self).__name__} needs a collect method.")

    def _collect_all(self, items: Iterator[Any], tally: Tally, rows: list[Record]) -> None:
        asyncio.run(self._work_off(items, tally, rows))

    async def _work_off(self, items: Iterator[Any], tally: Tally, rows: list[Record]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.concurrency):
                    group.create_task(self._work(items, tally, rows))
        except ExceptionGroup as errors:
            # The first error that ends a run is its cause; the others are what cancelling them looked like.
            raise errors.exceptions[0] from None
        finally:
            await self.request.aclose()

    async def _work(self, items: Iterator[Any], tally: Tally, rows: list[Record]) -> None:
        for item in items:
            if self.context.stop_requested:
                return
            try:
                found = list(await self.collect(item))
            except Exception as error:  # noqa: BLE001 - as in BaseScraper
                self._settle(item, error, tally)
                continue
            tally.solve()
            rows.extend(found)
