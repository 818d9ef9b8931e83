"""Lines of a run as a file, streamed: neither the database nor this process holds more than a batch."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from apps.console.log_viewer.filters import LineFilter
from apps.console.log_viewer.rows import encode, line_data, line_values
from apps.console.log_viewer.scanning import Span
from apps.logs.models import Log

BATCH = 2_000
TYPES = {"text": "text/plain; charset=utf-8", "jsonl": "application/x-ndjson"}
#: What a terminal or an editor would obey instead of showing: controls, and what turns the direction of writing.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
SUFFIXES = {"text": "log", "jsonl": "jsonl"}


def stream_lines(request: HttpRequest, run_id: str, name: str, wanted: LineFilter, span: Span, form: str) -> Any:
    """An answer that sends the lines as they are read."""
    batches = _Batches(run_id, wanted, span, _as_text if form == "text" else _as_json)
    content: Any = _each(batches) if isinstance(request, ASGIRequest) else iter(batches.next, None)
    response = StreamingHttpResponse(content, content_type=TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{name}.{SUFFIXES[form]}"'
    return response


async def _each(batches: _Batches) -> AsyncIterator[bytes]:
    # Under ASGI an ordinary iterator would be read to its end before the first byte is sent.
    following = sync_to_async(batches.next)
    while (batch := await following()) is not None:
        yield batch


class _Batches:
    """The lines in batches, each of which begins behind the one before."""

    def __init__(self, run_id: str, wanted: LineFilter, span: Span, write: Callable[[Any], Iterator[bytes]]) -> None:
        self._lines = line_values(
            wanted.apply(Log.objects.filter(runtime_id=run_id, line_number__lte=span.high)).order_by("line_number")
        )
        self._after = span.low - 1
        self._write = write

    def next(self) -> bytes | None:
        """The next batch; None at the end."""
        rows = list(self._lines.filter(line_number__gt=self._after)[:BATCH])
        if not rows:
            return None
        self._after = rows[-1][0]
        return b"".join(part for row in rows for part in self._write(row))


def _as_text(row: Any) -> Iterator[bytes]:
    at, level, logger, message, context, exception = row[1:7]
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = "".join(f" {key}={_plain(value)}" for key, value in (context or {}).items()) if context else ""
    said = visible(f"{logger} {message}{fields}").replace("\n", "\\n")
    yield f"{moment} {Log.Level(level).name:<8} {said}\n".encode(errors="replace")
    if exception:
        # Indented, so that no line of it passes for another line of the log.
        yield "".join(f"    {line}\n" for line in visible(exception.rstrip()).split("\n")).encode(errors="replace")


def visible(text: str) -> str:
    """The text with its control characters written out; lines and tabs stay."""
    return _OBEYED.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    number = ord(found.group())
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _as_json(row: Any) -> Iterator[bytes]:
    data = line_data(row, whole=True)
    data["at"] = row[1].astimezone(UTC).isoformat()
    data["level"] = Log.Level(row[2]).name
    yield encode({"line" if key == "n" else key: value for key, value in data.items()})
    yield b"\n"
