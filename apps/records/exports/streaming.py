"""From a table to a file that is being sent: neither the database nor this process holds more than a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.records.exports.cells import columns_of
from apps.records.exports.files import Csv, CsvForExcel, Form, JsonLines
from apps.records.exports.workbook import Workbook

BATCH = 2_000
#: For so long a client may take nothing before the export, and the transaction it reads in, is given up.
PATIENCE_S = 60.0

#: By the name in an address or a command.
FORMS: dict[str, type[Form]] = {"csv": Csv, "csv-excel": CsvForExcel, "jsonl": JsonLines, "xlsx": Workbook}


class ClientTooSlow(Exception):
    """Nobody took the next piece; the download breaks off, so that nobody takes it for the whole."""


def pieces(rows: QuerySet[Any], form: type[Form]) -> Generator[bytes]:
    """The file with these rows, piece by piece; some may be empty. All of it from one look at the table.

    To be closed by the thread that reads it, also when it is not read to its end.
    """
    columns = columns_of(rows.model)
    with closing(form(columns)) as file:
        yield file.begin()
        with _one_look(rows.db):
            values: Any = rows.values_list(*(column.attribute for column in columns)).iterator(chunk_size=BATCH)
            with closing(values):  # before the transaction ends, and its cursor with it
                while batch := list(islice(values, BATCH)):
                    yield file.add(batch)
        yield from file.end()


def _one_look(alias: str) -> AbstractContextManager[Any]:
    """A transaction where the server's cursor needs one. On SQLite it would keep all writers out, and a single
    statement sees one state of the table anyway."""
    return transaction.atomic(using=alias) if connections[alias].vendor == "postgresql" else nullcontext()


def stream(request: HttpRequest, rows: QuerySet[Any], form: type[Form], name: str) -> StreamingHttpResponse:
    """An answer that sends the file as it is made. Nothing is open until the first piece is asked for."""
    made = pieces(rows, form)
    # Under ASGI an ordinary iterator would be read to its end before the first byte is sent.
    content: Any = _Sent(made) if isinstance(request, ASGIRequest) else made
    response = StreamingHttpResponse(content, content_type=form.content_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=f"{name}.{form.suffix}")
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store, private"
    # A proxy that keeps the answer until it is whole would keep the client, and its patience, waiting.
    response["X-Accel-Buffering"] = "no"
    return response


class _Sent:
    """The pieces for an event loop. Everything the database is asked runs in the thread of the request, closing too:
    Django calls `close` when the answer was sent or the client has gone."""

    def __init__(self, made: Generator[bytes]) -> None:
        self._made = made
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.Task[None] | None = None

    def __aiter__(self) -> _Sent:
        return self

    async def __anext__(self) -> bytes:
        if self._timer is not None:
            self._timer.cancel()
        if self._giving_up is not None:
            raise ClientTooSlow(f"The client took nothing for {PATIENCE_S:.0f} s; the export was given up.")
        piece = await sync_to_async(self._following)()
        if piece is None:
            raise StopAsyncIteration
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PATIENCE_S, self._give_up)
        return piece

    def close(self) -> None:
        """Ends the transaction and removes temporary files. To be called in the thread of the request."""
        self._made.close()
        if self._timer is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._timer.cancel)

    def _following(self) -> bytes | None:
        try:
            return next(self._made, None)
        except Exception:
            # Django ends a request that fails in the middle of its answer without closing what it used.
            close_old_connections()
            raise

    def _give_up(self) -> None:
        self._giving_up = asyncio.get_running_loop().create_task(sync_to_async(self._abandon)())

    def _abandon(self) -> None:
        self._made.close()
        close_old_connections()
