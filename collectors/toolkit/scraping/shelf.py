"""Rows between being collected and being stored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from collectors.contract import Record
from collectors.stores import SeenKeys
from collectors.toolkit.scraping.feeds import Entry


@dataclass(slots=True)
class Batch:
    """What is stored at once: rows, and the items of a queue that are settled with them."""

    rows: list[Record] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    items: int = 0
    began: float = field(default_factory=time.monotonic)


class Shelf:
    """Gathers results until there are enough for a batch. For one thread: the one that hands out the items."""

    def __init__(self, *, every: int | None, longest_s: float | None = None) -> None:
        """A batch has `every` rows or items, or is `longest_s` old; None: there is one batch, at the end."""
        self._every, self._longest_s = every, longest_s
        self._batch = Batch()

    @property
    def rows(self) -> list[Record]:
        """What waits."""
        return self._batch.rows

    def put(self, entry: Entry, rows: Sequence[Record] | None) -> None:
        """The result of an item; None: it failed."""
        batch = self._batch
        batch.items += 1
        if rows:
            batch.rows.extend(rows)
        if entry.id is not None:
            (batch.failed if rows is None else batch.done).append(entry.id)

    @property
    def is_full(self) -> bool:
        """Whether it is time to store."""
        batch = self._batch
        if self._every is None or not batch.items:
            return False
        if len(batch.rows) >= self._every or batch.items >= self._every:
            return True
        return self._longest_s is not None and time.monotonic() - batch.began >= self._longest_s

    def clear(self) -> Batch:
        """Take everything down; what comes next is another batch."""
        batch, self._batch = self._batch, Batch()
        return batch


class FileLedger:
    """The keys that the merges of one run saw, in a temporary file: the memory does not grow with them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dc-seen-")  # noqa: SIM115 - closed by `close`
        self._places: dict[str, list[tuple[int, int]]] = {}

    def add(self, seen: Sequence[SeenKeys]) -> None:
        """Keep these."""
        for one in seen:
            self._places.setdefault(one.group, []).append((self._file.seek(0, 2), len(one.keys)))
            self._file.write(one.keys)

    def groups(self) -> list[str]:
        """See `SeenLedger`."""
        return list(self._places)

    def keys(self, group: str) -> Iterator[bytes]:
        """See `SeenLedger`."""
        for offset, length in self._places.get(group, ()):
            self._file.seek(offset)
            yield self._file.read(length)

    def close(self) -> None:
        """The file is gone."""
        self._file.close()
