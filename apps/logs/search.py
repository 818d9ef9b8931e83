"""Text search across runs, newest first.

    page = search(Filters(texts=("connection refused",), level=40), limit=100, budget_s=1.0)

The newest lines, which the index does not know yet, are read one by one. For older ones the index names the chunks that
may hold what is looked for, newest first, and their lines are read. Both are exact: a line is found if and only if its
text holds every text of the filter, in any case of letters. When the time is over, the page says where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import itemgetter, or_

from django.db import connection
from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual

from apps.logs.grams import fact_grams, needle_grams
from apps.logs.indexing import Row, indexed_end, read_rows
from apps.logs.models import Log
from apps.logs.search_models import LogChunk
from apps.logs.segments import candidates
from apps.logs.sieve import sieved, words_of

#: Lines and chunks per query; the first queries are small, because most pages are filled by what is newest.
TAIL_LINES = 2_000
FEWEST_CHUNKS, MOST_CHUNKS = 4, 32
#: Where the first chunks had little, the database looks first, at more of them at once.
SIEVED_FROM, MOST_SIEVED_CHUNKS = 8, 128
#: With more values than this in one filter, the index is not asked about them.
MOST_FACTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a line must be to be found. Everything that is not given does not matter."""

    texts: tuple[str, ...] = ()
    """All of these stand in the line: its message, its context as `key=value`, its traceback."""
    level: int = 0
    """At least this level."""
    logger: str = ""
    """This logger, or one below it."""
    app_ids: tuple[int, ...] | None = None
    runtime_ids: tuple[str, ...] | None = None
    group: str = ""
    """The fingerprint of an error group."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Lines that were found, newest first."""

    lines: list[Log]
    next_cursor: int | None
    """`before_id` of the next page; None when everything was searched."""
    searched_to: datetime | None
    """The moment of the oldest line that was looked at."""

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing older to look at."""
        return self.next_cursor is None


@dataclass(slots=True)
class _Hunt:
    """A search under way."""

    filters: Filters
    limit: int
    deadline: float
    cursor: int | None
    """Everything from this id on has been looked at."""
    needles: tuple[str, ...]
    ids: list[int] = field(default_factory=list)
    searched_to: datetime | None = None
    is_done: bool = False
    has_begun: bool = False

    @property
    def is_over(self) -> bool:
        # However little time there is, every page gets a little further.
        return len(self.ids) >= self.limit or (self.has_begun and time.monotonic() >= self.deadline)

    def look_at(self, rows: Sequence[Row]) -> None:
        """Keep what matches, until the page is full."""
        for row in rows:
            self.cursor, self.searched_to, self.has_begun = row.id, row.logged_at, True
            if _matches(row, self.filters, self.needles):
                self.ids.append(row.id)
                if len(self.ids) >= self.limit:
                    return


def search(filters: Filters, *, before_id: int | None = None, limit: int = 100, budget_s: float = 1.0) -> Page:
    """The newest lines that match, at most `limit`, from line `before_id` back, in about `budget_s` seconds.

    A page may hold fewer lines than `limit`, even none, and still have a `next_cursor`: the time was over.
    """
    if () in (filters.app_ids, filters.runtime_ids):
        return Page([], None, None)
    needles = tuple(text.casefold() for text in filters.texts if text)
    hunt = _Hunt(filters, limit, time.monotonic() + budget_s, before_id, needles)
    end = indexed_end()
    _search_tail(hunt, end)
    if not hunt.is_over:
        _search_chunks(hunt, end)
    lines = Log.objects.filter(pk__in=hunt.ids).select_related("app").order_by("-pk")
    return Page(list(lines), None if hunt.is_done else hunt.cursor, hunt.searched_to)


def _search_tail(hunt: _Hunt, end: int) -> None:
    """The lines that the index does not know yet."""
    while not hunt.is_over:
        lines = Log.objects.filter(pk__gt=end).order_by("-pk")
        if hunt.cursor is not None:
            lines = lines.filter(pk__lt=hunt.cursor)
        rows = read_rows(lines[:TAIL_LINES])
        hunt.look_at(rows)
        if len(rows) < TAIL_LINES:
            return


def _search_chunks(hunt: _Hunt, end: int) -> None:
    if hunt.cursor is None or hunt.cursor > end:
        hunt.cursor = end + 1
    size, found = FEWEST_CHUNKS, _candidates(hunt.filters, hunt.needles, hunt.cursor)
    words = words_of(hunt.needles) if connection.vendor == "postgresql" else []
    while not hunt.is_over:
        batch = list(islice(found, size))
        if not batch:
            hunt.is_done = True
            return
        lines = Log.objects.filter(_lines_of(batch), _columns(hunt.filters), pk__lt=hunt.cursor)
        if words and size > SIEVED_FROM:
            lines = Log.objects.filter(pk__in=sieved(lines, words))
        # Sorted here: asked for an order, PostgreSQL walks the whole table backwards and picks these lines out of it.
        hunt.look_at(sorted(read_rows(lines.order_by()), key=itemgetter(0), reverse=True))
        if len(hunt.ids) < hunt.limit:
            hunt.cursor, hunt.searched_to, hunt.has_begun = batch[-1].first_id, batch[-1].first_at, True
        size = min(2 * size, MOST_SIEVED_CHUNKS if words else MOST_CHUNKS)


def _candidates(filters: Filters, needles: Sequence[str], before: int) -> Iterator[LogChunk]:
    """The chunks that may hold a match, newest first."""
    chunks = LogChunk.objects.all()
    if filters.since is not None:
        chunks = chunks.filter(last_at__gte=filters.since)
    if filters.until is not None:
        chunks = chunks.filter(first_at__lte=filters.until)
    return candidates(chunks, _wanted_grams(filters, needles), before=before)


def _wanted_grams(filters: Filters, needles: Sequence[str]) -> list[set[int]]:
    """Sets of grams; a chunk that holds one of the sets whole may hold a match. Empty: any chunk may."""
    every: set[int] = set().union(*map(needle_grams, needles))
    if filters.level > 0:
        every |= fact_grams("level", filters.level)
    if filters.logger:
        every |= fact_grams("logger", filters.logger.casefold())
    if filters.group:
        every |= fact_grams("group", filters.group)
    alternatives = [every]
    for name, values in (("app", filters.app_ids), ("run", filters.runtime_ids)):
        if values is not None and len(values) <= MOST_FACTS:
            alternatives = [grams | fact_grams(name, value) for grams in alternatives for value in values]
    return [grams for grams in alternatives if grams]


def _lines_of(chunks: Sequence[LogChunk]) -> Q:
    return reduce(or_, (Q(pk__range=(chunk.first_id, chunk.last_id)) for chunk in chunks))


def _columns(filters: Filters) -> Q:
    """The part of a filter that the database decides as well as we do, so that fewer lines travel."""
    wanted = {
        "app_id__in": filters.app_ids,
        "runtime_id__in": filters.runtime_ids,
        "fingerprint": filters.group or None,
        "logged_at__gte": filters.since,
        "logged_at__lte": filters.until,
    }
    given = Q(**{name: value for name, value in wanted.items() if value is not None})
    # Plus nothing, so that PostgreSQL does not fetch all warnings there are to find the few within a chunk.
    return given & Q(GreaterThanOrEqual(F("level") + 0, filters.level)) if filters.level else given


def _matches(row: Row, filters: Filters, needles: Sequence[str]) -> bool:
    if row.level < filters.level or (filters.group and row.fingerprint != filters.group):
        return False
    if filters.app_ids is not None and row.app_id not in filters.app_ids:
        return False
    if filters.runtime_ids is not None and row.runtime_id not in filters.runtime_ids:
        return False
    if filters.since is not None and row.logged_at < filters.since:
        return False
    if filters.until is not None and row.logged_at > filters.until:
        return False
    wanted, logger = filters.logger.casefold(), row.logger.casefold()
    if wanted and logger != wanted and not logger.startswith(f"{wanted}."):
        return False
    if not needles:
        return True
    text = row.text
    return all(needle in text for needle in needles)
