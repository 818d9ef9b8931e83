"""Lines as PostgreSQL's binary COPY takes them: imported on PostgreSQL only.

psycopg makes the same bytes one value at a time, whatever the value; here it is known what a line is made of, and most
of it is the same in many lines. That is the difference between half of what a bare COPY does and nearly all of it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from struct import Struct
from typing import Any

import orjson
from django.db import DataError

from apps.logs.storage import Origin, Place, as_place, as_text, place_in
from collectors.toolkit.journal import Frame, Said

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
#: Rows that are handed over at once, a few of the pieces in which psycopg sends them.
BLOCK = 400

#: From which PostgreSQL counts microseconds.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_NULL = b"\xff\xff\xff\xff"
_FIELDS = Struct("!h").pack(17)
_size = Struct("!i").pack
_int2 = Struct("!ih").pack
_int4 = Struct("!ii").pack
_int8 = Struct("!iq").pack
_seq_and_time = Struct("!iqiq").pack
#: Most lines have neither call chain nor traceback nor fingerprint.
_EMPTY = _size(0)
_NEITHER = 2 * _EMPTY
#: The length of a JSON text, and the version of the binary form of jsonb.
_json = Struct("!iB").pack
_MISFITS = (struct.error, ValueError, OverflowError, AttributeError, TypeError)


def copy_blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The rows in blocks, signature and trailer included."""
    waiting = iter(rows)
    yield SIGNATURE
    while block := b"".join(islice(waiting, BLOCK)):
        yield block
    yield TRAILER


class CopyRows:
    """Makes the rows of one journal. What they have in common is encoded once."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.levels: Counter[int] = Counter()
        run, app, journal = origin
        self._head = _FIELDS + (_NULL if run is None else _text(run)) + (_NULL if app is None else _int8(8, app))
        self._journal = _text(journal)
        # Everything up to the moment of a line, at once.
        self._begin = Struct(f"!{len(self._head)}siq{len(self._journal)}siqiq").pack
        self._places: dict[tuple[Any, ...], tuple[bytes, int]] = {}
        #: The same as lines have them, call chain included.
        self._texts: dict[bytes, tuple[bytes, int]] = {}

    def row(self, frame: Frame, number: int | None) -> bytes:
        """The row of a frame of kind `log`. Raises `DataError` for a line that no column could hold."""
        seq, _kind, at, data, _end = frame
        get = data.get
        try:
            moment = round((at - _EPOCH) * 1e6)
            if number is None:
                begin = b"".join((self._head, _NULL, self._journal, _seq_and_time(8, seq, 8, moment)))
            else:
                begin = self._begin(self._head, 8, number, self._journal, 8, seq, 8, moment)
            place, level = self._place(
                get("level"), get("logger"), get("module"), get("function"), get("line"), get("thread")
            )
            self.levels[level] += 1
            event, context = get("event"), get("c")
            said = (event if event.__class__ is str else as_text(event)).encode()
            values = orjson.dumps(context) if context and context.__class__ is dict else b"{}"
            return b"".join(
                (
                    begin,
                    place,
                    _text(as_text(data["chain"])) if "chain" in data else _EMPTY,
                    _size(len(said)),
                    said,
                    _json(len(values) + 1, 1),
                    values,
                    _error(data) if "fp" in data or "exc" in data else _NEITHER,
                )
            )
        except _MISFITS as error:
            raise DataError(f"Line {seq} of journal {self.origin.journal} fits no column: {error}") from error

    def said(self, said: Said, number: int | None) -> bytes | None:
        """See `RowMaker`."""
        seq, at, event, text, values = said
        known = self._texts.get(text) or self._learn(text)
        if known is None:
            return None
        place, level = known
        try:
            moment = round((at - _EPOCH) * 1e6)
            if number is None:
                begin = b"".join((self._head, _NULL, self._journal, _seq_and_time(8, seq, 8, moment)))
            else:
                begin = self._begin(self._head, 8, number, self._journal, 8, seq, 8, moment)
            message = event.encode()
        except _MISFITS:
            return None
        self.levels[level] += 1
        size = _size(len(message))
        return b"".join((begin, place, size, message, _json(len(values) + 1, 1), values, _NEITHER))

    def _learn(self, text: bytes) -> tuple[bytes, int] | None:
        found = place_in(text)
        if found is None:
            return None
        place, chain = found
        columns, level = _encoded(place)
        return self._texts.setdefault(text, (columns + _text(chain), level))

    def _place(self, *raw: Any) -> tuple[bytes, int]:
        """The columns that say where, and the level. A program says things in few places and very often."""
        try:
            known = self._places.get(raw)
        except TypeError:
            return _encoded(as_place(*raw))
        return known or self._places.setdefault(raw, _encoded(as_place(*raw)))


def _encoded(place: Place) -> tuple[bytes, int]:
    level, logger, module, function, source_line, thread = place
    line = _NULL if source_line is None else _int4(4, source_line)
    return _int2(2, level) + _text(logger) + _text(module) + _text(function) + line + _text(thread), level


def _error(data: dict[str, Any]) -> bytes:
    return _text(as_text(data.get("exc"))) + _text(as_text(data.get("fp"))[:32])


def _text(value: str) -> bytes:
    said = value.encode()
    return _size(len(said)) + said
