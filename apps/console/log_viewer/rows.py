"""Lines and runs as the viewer gets them: short names, bounded sizes, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.db.models import QuerySet

from apps.logs.models import Log
from apps.runtime.models import Runtime, State

#: What a line may cost in a frame or an answer; the whole line is one more question away.
MESSAGE_CHARACTERS = 8_000
TRACEBACK_CHARACTERS = 16_000
FIELD_BYTES = 8_000
#: What an answer or a frame may hold together; at least one line is always in it.
ANSWER_BYTES = 512 * 1024
#: Integers beyond it lose digits in a browser, so they travel as text.
SAFE_INTEGER = 2**53 - 1

COLUMNS = (
    *("line_number", "logged_at", "level", "logger", "message", "context_json", "exception"),
    *("module", "function", "source_line", "thread", "call_chain"),
)


class LineBatch(NamedTuple):
    """Consecutive lines, each already JSON."""

    first: int
    last: int
    lines: list[bytes]
    has_more: bool = False
    """Whether more lines may follow at once."""


def line_values(lines: QuerySet[Log]) -> QuerySet[Log, tuple[Any, ...]]:
    """Only the columns that a viewer shows."""
    return lines.values_list(*COLUMNS)


def line_data(values: Sequence[Any], *, whole: bool = False) -> dict[str, Any]:
    """One line. What is long is cut, which `cut` says, unless the `whole` line is asked for."""
    number, at, level, logger, message, context, exception, module, function, source_line, thread, chain = values
    fields = _fields(context)
    cut = not whole and (len(message) > MESSAGE_CHARACTERS or len(exception) > TRACEBACK_CHARACTERS)
    if not whole and fields and len(encode(fields)) > FIELD_BYTES:
        cut, fields = True, {}
    place = ".".join(filter(None, (module, function)))
    optional = {
        "fields": fields,
        "trace": exception if whole else exception[:TRACEBACK_CHARACTERS],
        "place": f"{place}:{source_line}" if source_line and place else place,
        "thread": thread,
        "chain": chain if whole else chain[:1000],
        "cut": cut,
    }
    return {
        "n": number,
        "at": round(at.timestamp() * 1000),
        "level": level,
        "logger": logger,
        "text": message if whole else message[:MESSAGE_CHARACTERS],
        **{name: value for name, value in optional.items() if value},
    }


def _fields(context: Any) -> dict[str, Any]:
    fields = context if isinstance(context, dict) else {"value": context} if context else {}
    return {key: _in_safe_digits(value) for key, value in fields.items()}


def _in_safe_digits(value: Any) -> Any:
    return str(value) if isinstance(value, int) and abs(value) > SAFE_INTEGER else value


def encode(data: Any) -> bytes:
    """JSON, also of what the quick library refuses: lone surrogates and huge integers inside of structures."""
    try:
        return orjson.dumps(data)
    except TypeError:
        return json.dumps(data, default=str).encode()


def bounded(rows: Iterable[Sequence[Any]], limit: int) -> LineBatch | None:
    """The first of these lines, at most `limit`, that fit an answer; None when there are none."""
    lines: list[bytes] = []
    first = last = size = 0
    is_cut = False
    for values in rows:
        data = encode(line_data(values))
        if is_cut := bool(lines) and (size + len(data) > ANSWER_BYTES or len(lines) == limit):
            break
        lines.append(data)
        size += len(data)
        first, last = first or values[0], values[0]
    return LineBatch(first, last, lines, is_cut) if lines else None


def run_data(run: Runtime) -> dict[str, Any]:
    """What the viewer's head says about the run."""
    state = State(run.state)
    return {
        "state": state.value,
        # For programs; the page has its own words for each state, in the language of its reader.
        "label": state.word,
        "colour": state.colour,
        "is_open": not run.has_ended,
        "cause": run.cause[:1000],
        "started_at": _milliseconds(run.started_at),
        "ended_at": _milliseconds(run.ended_at),
        "progress": run.progress,
        "task_size": run.task_size,
        "solved": run.solved,
        "failed": run.failed,
        "eta_at": _milliseconds(run.eta_at),
        "rows": [run.rows_seen, run.rows_inserted, run.rows_archived, run.rows_unchanged],
        "log_counts": run.log_counts,
    }


def _milliseconds(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at else None


def now_text() -> str:
    """The time of an envelope."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line_bounds(run_id: str) -> tuple[int, int]:
    """The first and the last line that the database has of a run; `(1, 0)` when there is none."""
    numbers = Log.objects.filter(runtime_id=run_id, line_number__isnull=False).values_list("line_number", flat=True)
    first, last = numbers.order_by("line_number").first(), numbers.order_by("-line_number").first()
    return (first or 1, last or 0)
