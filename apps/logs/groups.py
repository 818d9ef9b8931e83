"""Counting errors by fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.storage import Line, as_stored

_TITLE_CHARS = 300
_BATCH = 500


@dataclass(slots=True)
class _Seen:
    """The lines of one fingerprint in one batch."""

    first: Line
    last: Line
    count: int = 0
    level: int = 0

    def add(self, line: Line) -> None:
        self.count += 1
        self.level = max(self.level, line.level)
        self.first = min(self.first, line, key=_moment)
        self.last = max(self.last, line, key=_moment)


def apply_groups(lines: Iterable[Line]) -> None:
    """Count the lines that have a fingerprint, in the caller's transaction: two statements, however many lines.

    Counts are added up by the database, and rows are touched in the order of their keys: shippers of any number may do
    this at the same time. Raises `django.db.DatabaseError`.
    """
    groups: dict[str, _Seen] = {}
    apps: dict[tuple[str, int], _Seen] = {}
    for line in lines:
        if not line.fingerprint:
            continue
        groups.setdefault(line.fingerprint, _Seen(line, line)).add(line)
        if line.app_id is not None:
            apps.setdefault((line.fingerprint, line.app_id), _Seen(line, line)).add(line)
    if groups:
        _upsert(ErrorGroup, _GROUP_COLUMNS, [_group_row(*item) for item in sorted(groups.items())], _group_update())
    if apps:
        rows = [(*key, seen.count, as_stored(seen.last.logged_at)) for key, seen in sorted(apps.items())]
        _upsert(ErrorGroupApp, _APP_COLUMNS, rows, _app_update())


def in_inbox(*, now: datetime) -> Q:
    """Groups that want somebody's attention."""
    return Q(state=ErrorGroup.State.OPEN) | Q(state=ErrorGroup.State.SNOOZED, snoozed_until__lte=now)


def _moment(line: Line) -> tuple[float, int]:
    return line.logged_at, line.seq


_GROUP_COLUMNS = (
    *("fingerprint", "title", "logger", "level", "count", "first_seen_at", "last_seen_at"),
    *("last_runtime_id", "last_line_number", "state", "note"),
)
_APP_COLUMNS = ("group_id", "app_id", "count", "last_seen_at")


def _group_row(fingerprint: str, seen: _Seen) -> tuple[Any, ...]:
    return (
        fingerprint,
        title_of(seen.first),
        seen.first.logger,
        seen.level,
        seen.count,
        as_stored(seen.first.logged_at),
        as_stored(seen.last.logged_at),
        seen.last.runtime_id,
        seen.last.line_number,
        ErrorGroup.State.OPEN.value,
        "",
    )


def title_of(line: Line) -> str:
    """What a group is called: the last line of the traceback, which names type and text, else the message."""
    error = line.exception.strip().rpartition("\n")[2].strip()
    title = error or line.message.strip().partition("\n")[0]
    return title[:_TITLE_CHARS] or "(an error without a text)"


def _group_update() -> str:
    table = ErrorGroup._meta.db_table
    later = f"excluded.last_seen_at >= {table}.last_seen_at"
    again = f"{table}.state = 'RESOLVED' AND excluded.last_seen_at > {table}.resolved_at"
    return (
        f"(fingerprint) DO UPDATE SET count = {table}.count + excluded.count,"
        f" level = {_greatest()}({table}.level, excluded.level),"
        f" first_seen_at = {_least()}({table}.first_seen_at, excluded.first_seen_at),"
        f" last_seen_at = {_greatest()}({table}.last_seen_at, excluded.last_seen_at),"
        f" last_runtime_id = CASE WHEN {later} THEN excluded.last_runtime_id ELSE {table}.last_runtime_id END,"
        f" last_line_number = CASE WHEN {later} THEN excluded.last_line_number ELSE {table}.last_line_number END,"
        f" state = CASE WHEN {again} THEN 'OPEN' ELSE {table}.state END"
    )


def _app_update() -> str:
    table = ErrorGroupApp._meta.db_table
    return (
        f"(group_id, app_id) DO UPDATE SET count = {table}.count + excluded.count,"
        f" last_seen_at = {_greatest()}({table}.last_seen_at, excluded.last_seen_at)"
    )


def _greatest() -> str:
    return "GREATEST" if connection.vendor == "postgresql" else "MAX"


def _least() -> str:
    return "LEAST" if connection.vendor == "postgresql" else "MIN"


def _upsert(model: Any, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    marks = f"({', '.join(['%s'] * len(columns))})"
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        values: Iterable[Any] = (value for row in batch for value in row)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names})"  # noqa: S608 - names of our own
                f" VALUES {', '.join([marks] * len(batch))} ON CONFLICT {conflict}",
                list(values),
            )
