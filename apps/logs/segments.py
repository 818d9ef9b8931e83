"""The index itself: which chunks may hold what is looked for.

A new chunk carries its grams. As soon as a segment of them is full, it is turned on its side: for every gram there is a
bit for each chunk, so that a search reads as many rows of a segment as its text has grams, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import and_, or_

from django.db import IntegrityError, transaction
from django.db.models import Max, Min, QuerySet

from apps.logs.grams import BUCKETS, holds
from apps.logs.search_models import LogChunk, LogGram

CHUNKS = 1_024
ROWS = BUCKETS // 8
#: Chunks are read in pieces of this size, because most searches end among the newest.
FEWEST, MOST = 64, 1_024
#: For each bit of a byte: whether it is set, as a digit.
_DIGITS = [bytes(ord("1") if byte >> bit & 1 else ord("0") for byte in range(256)) for bit in range(8)]


def build_segment() -> bool:
    """Turn the oldest full segment on its side, if there is one. Raises `django.db.DatabaseError`."""
    ends = LogChunk.objects.filter(grams__isnull=False).aggregate(oldest=Min("pk"), newest=Max("pk"))
    if ends["oldest"] is None or ends["newest"] < _first(_segment(ends["oldest"]) + 1) - 1:
        return False
    try:
        with transaction.atomic():
            _build(_segment(ends["oldest"]))
    except IntegrityError:
        return False  # another process did it at the same time
    return True


def delete_empty_segments() -> int:
    """Remove the rows of segments whose chunks are all gone; returns how many rows that were."""
    oldest = LogChunk.objects.aggregate(oldest=Min("pk"))["oldest"]
    rows = LogGram.objects.all() if oldest is None else LogGram.objects.filter(pk__lt=_segment(oldest) * ROWS)
    return rows.delete()[0]


def candidates(chunks: QuerySet[LogChunk], alternatives: Sequence[set[int]], *, before: int) -> Iterator[LogChunk]:
    """Of `chunks`, those before line `before` that hold all grams of one of the alternatives; newest first.

    Without alternatives, all of them.
    """
    chunks = chunks.order_by("-pk")
    fresh = chunks.filter(grams__isnull=False).only("first_id", "last_id", "first_at", "grams")
    for chunk in _in_pieces(fresh, before):
        before = chunk.first_id  # its segment may be finished while we are here, and it is not to come twice
        if not alternatives or any(holds(bytes(chunk.grams or b""), grams) for grams in alternatives):
            yield chunk
    old = chunks.filter(grams__isnull=True).only("first_id", "last_id", "first_at")
    if not alternatives:
        yield from _in_pieces(old, before)
        return
    ends = old.order_by().filter(first_id__lt=before).aggregate(oldest=Min("pk"), newest=Max("pk"))
    if ends["oldest"] is None:
        return
    for segment in range(_segment(ends["newest"]), _segment(ends["oldest"]) - 1, -1):
        places = reduce(or_, (_places(segment, grams) for grams in alternatives))
        if places:
            within = old.filter(pk__gte=_first(segment), pk__lt=_first(segment + 1), first_id__lt=before)
            yield from (chunk for chunk in within if places >> (chunk.pk - _first(segment)) & 1)


def _segment(chunk_id: int) -> int:
    return chunk_id // CHUNKS


def _first(segment: int) -> int:
    """The id of the first chunk of a segment."""
    return segment * CHUNKS


def _in_pieces(chunks: QuerySet[LogChunk], before: int) -> Iterator[LogChunk]:
    size = FEWEST
    while True:
        piece = list(chunks.filter(first_id__lt=before)[:size])
        yield from piece
        if len(piece) < size:
            return
        before, size = piece[-1].first_id, min(2 * size, MOST)


def _places(segment: int, grams: set[int]) -> int:
    """A bit for each chunk of the segment that holds all these grams."""
    keys = {segment * ROWS + gram // 8 for gram in grams}
    rows = {pk: bytes(row) for pk, row in LogGram.objects.filter(pk__in=keys).values_list("pk", "chunks")}
    width = CHUNKS // 8
    slices = (rows.get(segment * ROWS + gram // 8, b"")[gram % 8 * width :][:width] for gram in grams)
    return reduce(and_, (int.from_bytes(bits, "little") for bits in slices))


def _build(segment: int) -> None:
    chunks = LogChunk.objects.filter(pk__gte=_first(segment), pk__lt=_first(segment + 1))
    grams = [bytes(ROWS)] * CHUNKS
    # Locked: who builds the same segment waits here, and then finds that there is nothing left to do.
    for pk, bits in chunks.select_for_update().order_by("pk").values_list("pk", "grams"):
        if bits is None:
            return
        grams[pk - _first(segment)] = bytes(bits)
    whole = b"".join(reversed(grams))
    width, rows = CHUNKS // 8, list[LogGram]()
    for place in range(ROWS):
        column = whole[place::ROWS]
        # Read as a binary number, the column of a gram is the set of its chunks: a thousand bits at a time.
        bits = b"".join(int(column.translate(digits), 2).to_bytes(width, "little") for digits in _DIGITS)
        rows.append(LogGram(id=segment * ROWS + place, chunks=bits))
    LogGram.objects.filter(pk__gte=segment * ROWS, pk__lt=(segment + 1) * ROWS).delete()  # what a crash left behind
    LogGram.objects.bulk_create(rows, batch_size=1_000)
    chunks.update(grams=None)
