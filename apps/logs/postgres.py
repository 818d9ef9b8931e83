"""Lines as PostgreSQL's binary COPY takes them: imported on PostgreSQL only.

psycopg makes the same bytes one value at a time, whatever the value; here it is known what a line is made of, and most
of it is the same in many lines. That is the difference between half of what a bare COPY does and nearly all of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from struct import Struct
from typing import TYPE_CHECKING, Any

from django.db import DataError

if TYPE_CHECKING:
    from apps.logs.storage import Line

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
#: Bytes that are handed over at once.
BLOCK = 128 * 1024

#: From which PostgreSQL counts microseconds.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_NULL = b"\xff\xff\xff\xff"
_FIELDS = Struct("!h").pack(17)
_size = Struct("!i").pack
_int2 = Struct("!ih").pack
_int4 = Struct("!ii").pack
_int8 = Struct("!iq").pack
_seq_and_time = Struct("!iqiq").pack
#: Most lines have neither call chain nor traceback.
_EMPTY = _size(0)


def copy_blocks(lines: Iterable[Line]) -> Iterator[bytes]:
    """The lines in binary form, in blocks, signature and trailer included.

    Raises `DataError` for a line that no column could hold.
    """
    parts, size = [SIGNATURE], 0
    for row in _rows(lines):
        parts.append(row)
        size += len(row)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    parts.append(TRAILER)
    yield b"".join(parts)


def _rows(lines: Iterable[Line]) -> Iterator[bytes]:
    same: dict[tuple[Any, ...], bytes] = {}
    for line in lines:
        run, app, number, journal, seq, at, *place, chain, message, context, exception, fingerprint = line
        try:
            head = same.get((run, app)) or same.setdefault((run, app), _head(run, app))
            source = same.get((journal,)) or same.setdefault((journal,), _text(journal))
            spot: tuple[Any, ...] = tuple(place)
            said = message.encode()
            yield b"".join(
                (
                    head,
                    _NULL if number is None else _int8(8, number),
                    source,
                    _seq_and_time(8, seq, 8, round((at - _EPOCH) * 1e6)),
                    same.get(spot) or same.setdefault(spot, _place(*spot)),
                    _text(chain) if chain else _EMPTY,
                    _size(len(said)),
                    said,
                    _size(len(context) + 1),
                    b"\x01",  # the version of the binary form of jsonb
                    context,
                    _text(exception) if exception else _EMPTY,
                    _text(fingerprint) if fingerprint else _EMPTY,
                )
            )
        except (struct.error, ValueError, OverflowError, AttributeError, TypeError) as error:
            raise DataError(f"Line {seq} of journal {journal} fits no column: {error}") from error


def _head(run: str | None, app: int | None) -> bytes:
    return _FIELDS + (_NULL if run is None else _text(run)) + (_NULL if app is None else _int8(8, app))


def _place(level: int, logger: str, module: str, function: str, source_line: int | None, thread: str) -> bytes:
    line = _NULL if source_line is None else _int4(4, source_line)
    return _int2(2, level) + _text(logger) + _text(module) + _text(function) + line + _text(thread)


def _text(value: str) -> bytes:
    said = value.encode()
    return _size(len(said)) + said
