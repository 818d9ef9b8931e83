"""A collector that handles many items at once, in one event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

from collectors.contract import Record
from collectors.toolkit.deadlines import Deadline, deadline_is
from collectors.toolkit.errors import CollectError
from collectors.toolkit.scraping.base import BaseScraper, late
from collectors.toolkit.scraping.feeds import Aside, Entry, Feed
from collectors.toolkit.scraping.tally import Tally
from collectors.toolkit.scraping.work import Work


class AsyncScraper(BaseScraper):
    """`collect` is `async def` and returns its rows; `concurrency` items are under way at a time.

    `prepare_list` is a plain method: nothing else happens while it runs. `store` is one too; batches are stored in a
    thread beside the loop.
    """

    concurrency: ClassVar[int] = 10

    async def collect(self, item: Any) -> Iterable[Record]:
        """Fetch and parse one item, awaiting `self.request.aget(...)`."""
        raise NotImplementedError(f"{type(self).__name__} needs a collect method.")

    def _collect_all(self, feed: Feed, work: Work) -> None:
        with asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(_tell_loose_end)
            runner.run(self._work_off(feed, work))

    async def _work_off(self, feed: Feed, work: Work) -> None:
        storing, loop = asyncio.Lock(), asyncio.get_running_loop()
        # One thread: each thread that talks to a database has a connection of its own.
        beside = ThreadPoolExecutor(1, thread_name_prefix="beside")

        def aside(do: Callable[[], Any]) -> Awaitable[Any]:
            return loop.run_in_executor(beside, contextvars.copy_context().run, do)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.concurrency):
                    group.create_task(self._work(feed, work, storing, aside))
        except BaseExceptionGroup as errors:
            # The first error that ends a run is its cause; the others are what cancelling them looked like.
            raise errors.exceptions[0] from None
        finally:
            beside.submit(self.context.leave_thread)
            beside.shutdown()
            await self.request.aclose()

    async def _work(self, feed: Feed, work: Work, storing: asyncio.Lock, aside: Aside) -> None:
        while (entry := await feed.take(aside)) is not None and not self.context.stop_requested:
            work.settle(entry, await self._attempt_in_loop(entry, work.tally))
            if work.shelf.is_full:
                async with storing:
                    # Others may have stored it while this one waited.
                    if work.shelf.is_full:
                        await aside(partial(work.store_batch, work.shelf.clear()))

    async def _attempt_in_loop(self, entry: Entry, tally: Tally) -> list[Record] | None:
        """See `_attempt`."""
        deadline = Deadline(self.item_timeout_s)
        try:
            if entry.error is not None:
                raise entry.error
            async with asyncio.timeout(self.item_timeout_s) as deadline.limit:
                with deadline_is(deadline):
                    rows = list(await self.collect(entry.item))
            if deadline.left_s <= 0:
                raise deadline.error()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the task: something that the item awaited was, and that is the item's own affair.
            return self._settle(entry.item, CollectError("Something that the item awaited was cancelled."), tally)
        except Exception as error:  # noqa: BLE001 - as in BaseScraper
            return self._settle(entry.item, late(error, deadline), tally)
        tally.solve()
        return rows


def _tell_loose_end(loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
    """An interruption ends the task that it hits and the one that waits for it; nobody asks the second, rightly."""
    if not isinstance(about.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(about)
