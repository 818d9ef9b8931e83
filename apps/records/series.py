"""Merges that belong together: each takes nothing away, and in the end what none of them saw is taken away at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from tempfile import SpooledTemporaryFile
from typing import Any

from apps.records.models import DataTable
from apps.records.rows import Batch
from collectors.contract import MergeResult, Missing
from collectors.stores import SeenKeys, SeenLedger
from collectors.toolkit.merge import Group, pack_keys, takings, unpack_keys

#: Bytes of keys that are not worth a file.
MEMORY = 4_000_000


class Series:
    """See `collectors.contract.RecordStore.series`."""

    def __init__(self, sweep: Callable[[Sequence[tuple[Group, KeptKeys]]], MergeResult]) -> None:
        self._sweep = sweep
        self._seen: list[SeenKeys] = []

    def watch(
        self, model: type[DataTable], alias: str, scope: Mapping[str, Any], missing: Missing, *, complete: bool
    ) -> KeyWatch:
        """Watches one merge; what `missing` and `complete` say of it counts at the end of the series."""
        return KeyWatch(self._seen, Group(model._meta.label_lower, alias, scope, missing, complete).text())

    def take(self) -> list[SeenKeys]:
        """See `MergeSeries`."""
        taken = list(self._seen)
        self._seen.clear()
        return taken

    def finish(self, seen: SeenLedger) -> MergeResult:
        """See `MergeSeries`."""
        kept = [(group, KeptKeys(seen, texts)) for group, texts in takings(seen.groups())]
        try:
            return self._sweep(kept)
        finally:
            for _, keys in kept:
                keys.close()


class KeyWatch:
    """Notes the keys of one merge."""

    def __init__(self, seen: list[SeenKeys], group: str) -> None:
        self._seen, self._group = seen, group
        self._keys: list[Sequence[Any]] = []

    def through(self, batches: Iterable[Batch], key_places: Sequence[int]) -> Iterator[Batch]:
        """See `merge.Watch`."""
        self._keys = []
        for batch in batches:
            self._keys.extend(zip(*(batch.columns[place] for place in key_places), strict=True))
            yield batch

    def merged(self, held_keys: Sequence[tuple[Any, ...]]) -> None:
        """See `merge.Watch`."""
        self._seen.append(SeenKeys(self._group, pack_keys([*self._keys, *held_keys])))
        self._keys = []


class KeptKeys:
    """The keys of some groups of a ledger; they can be gone through more than once.

    They are read whole before the first is given, into a file: the ledger may be asked over the very connection that
    what is given goes to, and that one is busy while it takes.
    """

    def __init__(self, seen: SeenLedger, groups: Sequence[str]) -> None:
        self._pieces = SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115 - `close` closes it
        for group in groups:
            for packed in seen.keys(group):
                pickle.dump(packed, self._pieces)
        self._end = self._pieces.tell()

    def __iter__(self) -> Iterator[list[Any]]:
        self._pieces.seek(0)
        while self._pieces.tell() < self._end:
            yield from unpack_keys(pickle.load(self._pieces))  # noqa: S301 - this process wrote it a moment ago

    def close(self) -> None:
        """Let go of the file."""
        self._pieces.close()
