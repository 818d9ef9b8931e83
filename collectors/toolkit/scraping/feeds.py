"""Where the items of a run come from: the list itself, or a queue that outlives the run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from collectors.queues import ItemQueue
from collectors.toolkit.scraping.items import BadItem, ItemTexts

#: Does something that blocks in another thread.
Aside: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]
#: So many items are written down, and taken, at once.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One item under way."""

    item: Any
    id: int | None = None
    """Its number in the queue."""
    error: BadItem | None = None
    """Why it cannot be collected at all."""


class Feed:
    """Gives entries, each once. Not thread-safe; in an event loop by `take`."""

    def __init__(self, fill: Callable[[], Iterable[Entry]], *, blocks: bool = False) -> None:
        """`fill` gives the next entries, or none when there are no more; `blocks`: no event loop is to wait for it."""
        self._fill, self._blocks = fill, blocks
        self._ready: deque[Entry] = deque()
        self._filling = asyncio.Lock()

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        if not self._ready:
            self._ready.extend(self._fill())
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    async def take(self, aside: Aside) -> Entry | None:
        """The next one, for any number of tasks; None when there are no more. What blocks is done `aside`."""
        if not self._ready and self._blocks:
            async with self._filling:
                if not self._ready:
                    self._ready.extend(await aside(self._fill))
        return next(self, None) if self._ready or not self._blocks else None


def from_list(items: Iterator[Any]) -> Feed:
    """The items as they come, one at a time."""
    return Feed(lambda: map(Entry, islice(items, 1)))


def from_queue(queue: ItemQueue, texts: ItemTexts) -> Feed:
    """The items that are left in the queue."""

    def fill() -> list[Entry]:
        return [_entry(texts, one.id, one.text) for one in queue.take(CHUNK)]

    return Feed(fill, blocks=True)


def write_list(queue: ItemQueue, texts: ItemTexts, items: Iterable[Any], is_stopping: Callable[[], bool]) -> bool:
    """Put the whole list into the queue, a piece at a time. False if somebody asked to stop meanwhile."""
    written = map(texts.write, items)
    while piece := list(islice(written, CHUNK)):
        queue.add(piece)
        if is_stopping():
            return False
    queue.listed()
    return True


def _entry(texts: ItemTexts, number: int, text: str) -> Entry:
    try:
        return Entry(texts.read(text), number)
    except BadItem as error:
        return Entry(text, number, error)
