"""Where the rows of a merge are while it goes on: where they were, or in a temporary file."""

from __future__ import annotations

import pickle
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any, Protocol

from apps.records.rows import BATCH, Batch, RowReader, Values
from collectors.contract import Record
from collectors.toolkit.errors import StorageError

#: So many rows of a merge are looked at to see how complete they are.
SAMPLE = 500
#: Stands where a key comes without its row.
NO_SHA = "0" * 64


class RowSource(Protocol):
    """The rows of one merge, checked and hashed; they can be gone through more than once."""

    def batches(self) -> Iterator[Batch]:
        """All of them. Raises `BadRow`."""
        ...

    def fetch(self, ordinals: Sequence[int]) -> Iterator[tuple[str, Values]]:
        """The hash and the values of some of them; `ordinals` ascend."""
        ...


@contextmanager
def opened(reader: RowReader, rows: Iterable[Record]) -> Iterator[RowSource]:
    """The source for these rows. A one-shot iterator is read to its end here, before a transaction begins."""
    if not isinstance(rows, Iterator):
        yield Given(reader, rows)
        return
    with tempfile.TemporaryFile(prefix="dc-rows-") as file:
        spooled = Spooled(file)
        spooled.write(reader.batches(rows))
        yield spooled


def sampled(source: RowSource, seen: int, aside: Collection[int], *, most: int = SAMPLE) -> Iterator[Values]:
    """Some of the rows: over all of them where one can be picked, else the first."""
    last = seen + len(aside)
    step = max(1, last // most) if isinstance(source, Given) and source.is_list else 1
    picked = islice((number for number in range(1, last + 1, step) if number not in aside), most)
    return (values for _, values in source.fetch(list(picked)))


class Given:
    """Rows that stay where they are: they can be read again. The few that are new are read a second time."""

    def __init__(self, reader: RowReader, rows: Iterable[Record]) -> None:
        self._reader = reader
        self._rows = rows
        self.is_list = isinstance(rows, list | tuple)
        self._marks = array("Q")
        self._numbers = array("Q")

    def batches(self) -> Iterator[Batch]:
        if self.is_list:
            return self._reader.batches(self._rows)
        return self._marked()

    def fetch(self, ordinals: Sequence[int]) -> Iterator[tuple[str, Values]]:
        if isinstance(self._rows, list | tuple):
            rows = self._rows
            return self._reader.reread(rows[ordinal - 1] for ordinal in ordinals)
        return self._same(ordinals, self._reader.reread(self._picked(self._rows, ordinals)))

    def _picked(self, rows: Iterable[Record], ordinals: Sequence[int]) -> Iterator[Record]:
        wanted = iter(ordinals)
        next_one = next(wanted, None)
        for number, row in enumerate(rows, start=1):
            if number == next_one:
                yield row
                next_one = next(wanted, None)
        if next_one is not None:
            raise self._changed(next_one)

    def _marked(self) -> Iterator[Batch]:
        """Eight bytes of each hash are kept, to see whether a row is the same when it is read again."""
        self._marks, self._numbers = array("Q"), array("Q")
        for batch in self._reader.batches(self._rows):
            self._numbers.extend(batch.numbers)
            self._marks.extend(int(sha[:16], 16) for sha in batch.shas)
            yield batch

    def _same(self, ordinals: Sequence[int], rows: Iterator[tuple[str, Values]]) -> Iterator[tuple[str, Values]]:
        for ordinal, (sha, values) in zip(ordinals, rows, strict=True):
            if self._marks[bisect_right(self._numbers, ordinal) - 1] != int(sha[:16], 16):
                raise self._changed(ordinal)
            yield sha, values

    def _changed(self, number: int) -> StorageError:
        return StorageError(
            f"Row {number} of {self._reader.model.__name__} was another one when it was read again; give an iterator "
            "or a list instead of something that changes."
        )


class Spooled:
    """Rows in a temporary file, in batches. The file is ours alone: nobody else can put anything into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._firsts: list[int] = []
        self._offsets: list[int] = []

    def write(self, batches: Iterable[Batch]) -> None:
        """Take them all."""
        for batch in batches:
            self._firsts.append(batch.numbers[0])
            self._offsets.append(self._file.tell())
            pickle.dump(batch, self._file, protocol=pickle.HIGHEST_PROTOCOL)

    def batches(self) -> Iterator[Batch]:
        return map(self._batch, range(len(self._offsets)))

    def fetch(self, ordinals: Sequence[int]) -> Iterator[tuple[str, Values]]:
        loaded, rows = -1, dict[int, tuple[str, Values]]()
        for ordinal in ordinals:
            place = bisect_right(self._firsts, ordinal) - 1
            if place != loaded:
                batch = self._batch(place)
                rows = dict(zip(batch.numbers, batch.rows(), strict=True))
                loaded = place
            yield rows[ordinal]

    def _batch(self, place: int) -> Batch:
        self._file.seek(self._offsets[place])
        batch: Batch = pickle.load(self._file)  # noqa: S301 - this process wrote it a moment ago
        return batch


class Keys:
    """Natural keys alone: of rows that were merged before, to see which others are there."""

    def __init__(self, reader: RowReader, keys: Iterable[Sequence[Any]]) -> None:
        """`keys` can be gone through more than once."""
        self._reader, self._keys = reader, keys

    def batches(self) -> Iterator[Batch]:
        keys, first = iter(self._keys), 1
        while block := list(islice(keys, BATCH)):
            columns: list[list[Any]] = [[] for _ in self._reader.fields]
            for place, name, values in zip(
                self._reader.key_places, self._reader.model.natural_key, zip(*block, strict=True), strict=True
            ):
                clean = self._reader._cleaners[name]
                columns[place] = [None if value is None else clean(value) for value in values]
            yield Batch(range(first, first + len(block)), [NO_SHA] * len(block), columns)
            first += len(block)

    def fetch(self, ordinals: Sequence[int]) -> Iterator[tuple[str, Values]]:
        """None of them is inserted, so nobody asks for more than none."""
        return iter(())
