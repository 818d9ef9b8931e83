"""Series of merges and item queues in memory, with the meaning of the real ones."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from collectors.contract import MergeResult, Missing
from collectors.queues import QueueCounts, QueuedItem
from collectors.stores import SeenKeys, SeenLedger
from collectors.toolkit.errors import RetryLater
from collectors.toolkit.merge import Group, takings

Key = tuple[Hashable, ...]


class Sweeps(Protocol):
    """What a series asks of its store."""

    def take_away(self, model: type, scope: Mapping[str, Any], kept: Collection[Key]) -> MergeResult: ...


#: What ledgers hold of keys is the place they have in here: they are handed from one context to the next.
_kept: list[list[Key]] = []
_models: dict[str, tuple[type, Mapping[str, Any]]] = {}


class MemorySeries:
    """See `collectors.contract.MergeSeries`."""

    def __init__(self, records: Sweeps) -> None:
        self._records = records
        self._seen: list[SeenKeys] = []

    def note(self, model: type, scope: Mapping[str, Any], missing: Missing, keys: list[Key], *, complete: bool) -> None:
        """Remember one merge."""
        group = Group(f"{model.__qualname__} {id(model)}", "", scope, missing, complete).text()
        _models[group] = (model, scope)
        _kept.append(keys)
        self._seen.append(SeenKeys(group, f"{len(_kept) - 1} ".encode()))

    def take(self) -> list[SeenKeys]:
        """See `MergeSeries`."""
        taken, self._seen = self._seen, []
        return taken

    def finish(self, seen: SeenLedger) -> MergeResult:
        """See `MergeSeries`."""
        swept = MergeResult()
        for group, beside in takings(seen.groups()):
            kept = {key for text in beside for place in seen.keys(text) for key in _kept[int(place)]}
            swept += self._records.take_away(*_models[group.text()], kept)
        return swept


def within(row: Mapping[str, Any], scope: Mapping[str, Any]) -> bool:
    """Whether a row has these values."""
    return all(row[name] == value for name, value in scope.items())


@dataclass(slots=True)
class MemoryQueue:
    """One list. `open_items` are those that are still to be collected, with how often each failed."""

    continues: str = ""
    is_listed: bool = False
    size: int = 0
    open_items: dict[int, str] = field(default_factory=dict)
    failures: dict[int, int] = field(default_factory=dict)
    attempts: int = 3
    is_removed: bool = False
    _seen: dict[str, list[bytes]] = field(default_factory=dict)
    _last: int = 0

    def counts(self) -> QueueCounts:
        """See `ItemQueue`."""
        given_up = sum(1 for number in self.open_items if self._is_given_up(number))
        return QueueCounts(size=self.size, left=len(self.open_items) - given_up, given_up=given_up)

    def add(self, texts: Sequence[str]) -> None:
        """See `ItemQueue`."""
        known = set(self.open_items.values())
        for text in dict.fromkeys(texts):
            if text not in known:
                self.size += 1
                self.open_items[self.size] = text

    def listed(self) -> None:
        """See `ItemQueue`."""
        self.is_listed = True

    def take(self, count: int) -> list[QueuedItem]:
        """See `ItemQueue`."""
        ready = [n for n in self.open_items if n > self._last and not self._is_given_up(n)][:count]
        self._last = ready[-1] if ready else self._last
        return [QueuedItem(number, self.open_items[number]) for number in ready]

    def settle(self, *, done: Sequence[int], failed: Sequence[int], seen: Sequence[SeenKeys]) -> None:
        """See `ItemQueue`."""
        for number in done:
            del self.open_items[number]
        for number in failed:
            self.failures[number] = self.failures.get(number, 0) + 1
        for one in seen:
            self._seen.setdefault(one.group, []).append(one.keys)

    def remove(self) -> None:
        """See `ItemQueue`."""
        self.is_removed = True

    def groups(self) -> list[str]:
        """See `SeenLedger`."""
        return list(self._seen)

    def keys(self, group: str) -> Iterator[bytes]:
        """See `SeenLedger`."""
        return iter(self._seen[group])

    def _is_given_up(self, number: int) -> bool:
        return self.failures.get(number, 0) >= self.attempts


class MemoryQueues:
    """The queues of an app: hand those of one context to the next, and its run goes on with what is left."""

    def __init__(self) -> None:
        self.queues: dict[str, MemoryQueue] = {}
        self.is_busy = False
        """True: another run works on each of them."""

    def __call__(self, *, args: str, keep_s: float, attempts: int) -> MemoryQueue:
        """See `collectors.contract.Queues`; nothing grows old here."""
        if self.is_busy:
            raise RetryLater("Another run works on this list.")
        queue = self.queues.get(args)
        if queue is None or queue.is_removed:
            queue = self.queues[args] = MemoryQueue()
        else:
            queue.continues, queue._last = "the run before", 0
        queue.attempts = attempts
        return queue
