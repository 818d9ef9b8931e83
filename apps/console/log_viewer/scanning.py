"""Which lines of a run match: found in stretches of line numbers, a bounded time per question.

Five million lines are not searched in one query that nobody can stop: a scan looks at one stretch after the other until
its time is up or it has found enough, and says how far it came. Whoever asked goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, OperationalError, connections, transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from apps.console.log_viewer.filters import BadFilter, LineFilter
from apps.console.log_viewer.matcher import BrokenExpression, Matcher, TooSlow
from apps.logs.models import Log

BUDGET_S = 0.8
STRETCH_S = 0.25
#: The last attempt gets so much, however late it is.
LAST_STRETCH_S = 0.3
#: A busy machine takes its time to start a process; that says nothing about the expression.
MATCHER_START_S = 2.0
FIRST_STRETCH = 20_000
SHORTEST_STRETCH = 200
LONGEST_STRETCH = 2_000_000
#: Lines that are handed to the matcher at once, and how much of each.
MATCHED_AT_ONCE = 500
MATCHED_CHARACTERS = 10_000
AT_ONCE = 4
TOO_SLOW = "This expression takes too long on the lines of this run. Write a simpler one, or filter by level first."

_slots = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """As many scans run already as this process allows; ask again in a moment."""


@contextmanager
def scan_slot() -> Iterator[None]:
    """Room for one more scan in this process. Raises `Busy`."""
    if not _slots.acquire(timeout=1):
        raise Busy
    try:
        yield
    finally:
        _slots.release()


@dataclass(frozen=True, slots=True)
class Span:
    """Lines from `low` to `high`, both included, looked at upwards or downwards."""

    low: int
    high: int
    is_downward: bool = False


@dataclass(slots=True)
class Found:
    """What a scan found: ascending line numbers, and the span that is left to look at."""

    numbers: list[int] = field(default_factory=list)
    left: Span | None = None


def find_lines(run_id: str, wanted: LineFilter, span: Span, *, limit: int, budget_s: float = BUDGET_S) -> Found:
    """The lines in the span that are shown and hold the text.

    Raises `BadFilter` for a broken expression or one that is too slow, and `Busy`.
    """
    with scan_slot(), _search(run_id, wanted) as search:
        return _scan(search, span, limit, budget_s)


def _scan(search: _Search, span: Span, limit: int, budget_s: float) -> Found:
    found: list[int] = []
    low, high, stretch = span.low, span.high, search.first_stretch
    deadline, has_moved = time.monotonic() + budget_s, False
    while low <= high and len(found) < limit and (time.monotonic() < deadline or not has_moved):
        begun = time.monotonic()
        here = (
            Span(max(low, high - stretch + 1), high, is_downward=True)
            if span.is_downward
            else Span(low, min(high, low + stretch - 1))
        )
        is_last = stretch <= SHORTEST_STRETCH
        seconds = (
            max(LAST_STRETCH_S, deadline - begun) if is_last else max(STRETCH_S / 2, min(STRETCH_S, deadline - begun))
        )
        try:
            numbers = search.numbers(here, limit - len(found), seconds)
        except _StretchTooLong:
            if has_moved and (is_last or search.is_spent):
                break  # the next question begins with a short stretch here
            if is_last or search.is_spent:
                raise BadFilter(TOO_SLOW) from None
            stretch = max(SHORTEST_STRETCH, stretch // 20)
            continue
        is_full, has_moved = len(found) + len(numbers) >= limit, True
        found += numbers
        if span.is_downward:
            high = numbers[-1] - 1 if is_full else here.low - 1
        else:
            low = numbers[-1] + 1 if is_full else here.high + 1
        took = time.monotonic() - begun
        stretch = int(min(LONGEST_STRETCH, max(SHORTEST_STRETCH, stretch * min(8, STRETCH_S / 2 / max(took, 0.001)))))
    left = Span(low, high, span.is_downward) if low <= high else None
    return Found(sorted(found), left)


class _StretchTooLong(Exception):
    """This stretch took too much time, and was given up."""


class _Search:
    """One question, asked stretch by stretch."""

    def __init__(self, run_id: str, wanted: LineFilter) -> None:
        self.lines = wanted.apply(Log.objects.filter(runtime_id=run_id))
        # Some expressions take a second for a line: that shows in a short stretch, and costs no more than that.
        self.first_stretch = SHORTEST_STRETCH if wanted.is_regex and wanted.text else FIRST_STRETCH
        self.is_spent = False
        """Whether it cannot answer any more."""

    def numbers(self, here: Span, limit: int, seconds: float) -> list[int]:
        """Matching lines of the stretch in its direction. Raises `_StretchTooLong`."""
        with _bounded_query(self.lines.db, seconds):
            return [number for (number,) in self.ordered(here).values_list("line_number")[:limit] if number]

    def ordered(self, here: Span) -> QuerySet[Log]:
        lines = self.lines.filter(line_number__gte=here.low, line_number__lte=here.high)
        return lines.order_by("-line_number" if here.is_downward else "line_number")


class _MatchedSearch(_Search):
    """The expression is tried by a child process."""

    def __init__(self, run_id: str, wanted: LineFilter, matcher: Matcher) -> None:
        super().__init__(run_id, wanted)
        self.matcher = matcher

    def numbers(self, here: Span, limit: int, seconds: float) -> list[int]:
        self.matcher.give(seconds)
        rows = self.ordered(here).values_list("line_number", "message", "exception", _context_text())
        found: list[int] = []
        pending: list[tuple[int, list[str]]] = []
        for number, *parts in rows.iterator(chunk_size=MATCHED_AT_ONCE):
            pending.append((number, [part[:MATCHED_CHARACTERS] for part in parts if part]))
            if len(pending) == MATCHED_AT_ONCE:
                found += self._matching(pending)
                pending = []
            if len(found) >= limit:
                break
        return (found + self._matching(pending))[:limit]

    def _matching(self, pending: list[tuple[int, list[str]]]) -> list[int]:
        try:
            places = self.matcher.places([texts for _, texts in pending]) if pending else []
        except TooSlow:
            self.is_spent = True
            raise _StretchTooLong from None
        return [pending[place][0] for place in places]


@contextmanager
def _search(run_id: str, wanted: LineFilter) -> Iterator[_Search]:
    if not wanted.is_regex or not wanted.text:
        search = _Search(run_id, wanted)
        if wanted.text:
            search.lines = search.lines.alias(context_text=_context_text()).filter(_holding(wanted.text))
        yield search
    elif connections[Log.objects.db].vendor == "postgresql":
        search = _Search(run_id, wanted)
        search.lines = search.lines.alias(context_text=_context_text()).filter(
            Q(message__regex=wanted.text) | Q(exception__regex=wanted.text) | Q(context_text__regex=wanted.text)
        )
        yield search
    else:
        try:
            with Matcher(wanted.text, seconds=MATCHER_START_S) as matcher:
                yield _MatchedSearch(run_id, wanted, matcher)
        except BrokenExpression as error:
            raise BadFilter(_broken(str(error))) from None
        except TooSlow:
            raise BadFilter(TOO_SLOW) from None


def _holding(text: str) -> Q:
    """The text stands in the message, the traceback or the fields; of these also as pages show them, name=value."""
    found = Q(message__icontains=text) | Q(exception__icontains=text) | Q(context_text__icontains=text)
    name, is_pair, value = text.partition("=")
    if is_pair and value:
        for between in ('": ', '":', '": "', '":"'):
            found |= Q(context_text__icontains=f"{name}{between}{value}")
    return found


def _context_text() -> Cast:
    return Cast("context_json", TextField())


def _broken(reason: str) -> str:
    said = _("This is not a regular expression: %(reason)s. Mend it, or search for it as plain text.")
    return said % {"reason": reason}


@contextmanager
def _bounded_query(database: str, seconds: float) -> Iterator[None]:
    """PostgreSQL gives a query up after a while, and says what is wrong with an expression."""
    connection: Any = connections[database]
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(using=database):
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(1000 * seconds)}")
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "57014":  # query_canceled
            raise _StretchTooLong from None
        raise
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", None) == "2201B":  # invalid_regular_expression
            raise BadFilter(_broken(str(error).strip().partition("\n")[0].rpartition("expression: ")[2])) from None
        raise
