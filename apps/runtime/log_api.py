"""The log of a run as it is written: line by line, as JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.schemas import Asked, Number, RunId
from apps.api.section import Section
from apps.logs.api import VIEW, LineOut, line_out
from apps.logs.models import Log
from apps.registry.models import App
from apps.runtime.api import find_run

section = Section("logs")

BATCH = 1_000


class Lines(Asked):
    """Which lines of a run."""

    after: Annotated[Number, Field(ge=0, le=2**53)] = Field(
        0, description="Begin behind this line: the last one you have."
    )
    limit: Annotated[Number, Field(ge=1, le=10_000_000)] | None = Field(None, description="So many lines at most.")
    level: Annotated[Number, Field(ge=0, le=50)] = Field(0, description="At least this level: 10, 20 ... 50.")


@section.get(
    "/runtimes/{run_id}/log", name="readLog", permission=VIEW, answer=LineOut, media_type="application/x-ndjson"
)
def read_log(request: HttpRequest, run_id: Path[RunId], wanted: Query[Lines]) -> Any:
    """The lines of a run, one JSON object each, in order. Read on later with `after`, the number of the last line.

    Lines are read from the database as fast as they are taken, so that neither side holds more than a few of them.
    """
    run = find_run(request, VIEW, run_id)
    batches = _Batches(run.pk, run.app, wanted)
    # Under ASGI an ordinary iterator would be read to its end before the first byte is sent.
    content: Any = _each(batches) if isinstance(request, ASGIRequest) else iter(batches.next, None)
    response = StreamingHttpResponse(content, content_type="application/x-ndjson")
    response["X-Run-State"] = run.state
    return response


async def _each(batches: _Batches) -> AsyncIterator[bytes]:
    following = sync_to_async(batches.next)
    while (batch := await following()) is not None:
        yield batch


class _Batches:
    """The lines in batches, each of which begins behind the one before."""

    def __init__(self, run_id: str, app: App, wanted: Lines) -> None:
        self._lines = Log.objects.filter(runtime_id=run_id).order_by("line_number")
        if wanted.level:
            self._lines = self._lines.filter(level__gte=wanted.level)
        self._app, self._after, self._left = app, wanted.after, wanted.limit

    def next(self) -> bytes | None:
        """The next batch; None at the end."""
        size = BATCH if self._left is None else min(BATCH, self._left)
        rows = list(self._lines.filter(line_number__gt=self._after)[:size])
        if not rows:
            return None
        self._after = rows[-1].line_number or self._after
        self._left = None if self._left is None else self._left - len(rows)
        return b"".join(self._written(rows))

    def _written(self, rows: list[Log]) -> Iterator[bytes]:
        for row in rows:
            row.app = self._app
            yield line_out(row).model_dump_json().encode()
            yield b"\n"
