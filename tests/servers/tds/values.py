"""Values on the wire: parameters as clients send them, columns as the server does."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

COLLATION = bytes([0x09, 0x04, 0xD0, 0x00, 0x34])
DAY_ZERO = date(1, 1, 1).toordinal()
LARGE = 0xFFFF


class Reader:
    """Bytes, read from their beginning."""

    END = -1

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def at_end(self) -> bool:
        return self.at >= len(self.data)

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def peek(self) -> int:
        """The next byte; `END` where there is none."""
        return self.END if self.at_end else self.data[self.at]

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def short_text(self) -> str:
        return self.take(2 * self.number("<B")).decode("utf-16-le")


# -- Parameters --------------------------------------------------------------------------------------------------------


def typed(reader: Reader) -> Any:
    """A value behind its type. Raises `ValueError` for a type that is not known here."""
    kind = reader.number("<B")
    if kind in (0x26, 0x68, 0x6D, 0x6F, 0x24):  # behind a length of one byte: numbers, bits, moments, GUIDs
        reader.take(1)
        return _fixed(kind, reader.take(reader.number("<B")))
    if kind in (0x6A, 0x6C):
        _, _, scale = reader.take(3)
        return _decimal(reader.take(reader.number("<B")), scale)
    if kind in (0xE7, 0xEF, 0xA7, 0xAF, 0xA5, 0xAD):
        return _variable(kind, reader)
    if kind in (0x22, 0x23, 0x63):
        return _old_large(kind, reader)
    if kind == 0x28:
        return _date(reader.take(reader.number("<B")))
    if kind in (0x29, 0x2A, 0x2B):
        scale = reader.number("<B")
        return _moment(kind, reader.take(reader.number("<B")), scale)
    raise ValueError(f"a parameter of type 0x{kind:02X}")


def _fixed(kind: int, data: bytes) -> Any:
    if not data:
        return None
    if kind == 0x26:
        return int.from_bytes(data, "little", signed=len(data) > 1)
    if kind == 0x68:
        return data != b"\0"
    if kind == 0x6D:
        return struct.unpack("<f" if len(data) == 4 else "<d", data)[0]
    if kind == 0x24:
        return str(uuid.UUID(bytes_le=data))
    days, ticks = struct.unpack("<iI", data)
    return datetime(1900, 1, 1) + timedelta(days=days, microseconds=round(ticks * 10000 / 3) // 1000 * 1000)  # noqa: DTZ001


def _decimal(data: bytes, scale: int) -> Decimal | None:
    if not data:
        return None
    digits = int.from_bytes(data[1:], "little")
    return Decimal(digits if data[0] else -digits).scaleb(-scale)


def _variable(kind: int, reader: Reader) -> str | bytes | None:
    size = reader.number("<H")
    if kind not in (0xA5, 0xAD):
        reader.take(5)
    if size == LARGE:
        if reader.number("<Q") == 0xFFFF_FFFF_FFFF_FFFF:
            return None
        data = b""
        while chunk := reader.number("<I"):
            data += reader.take(chunk)
    else:
        length = reader.number("<H")
        if length == LARGE:
            return None
        data = reader.take(length)
    return _text(kind, data)


def _old_large(kind: int, reader: Reader) -> str | bytes | None:
    reader.take(4 if kind == 0x22 else 9)
    length = reader.number("<i")
    return None if length < 0 else _text(kind, reader.take(length))


def _text(kind: int, data: bytes) -> str | bytes:
    if kind in (0xE7, 0xEF, 0x63):
        return data.decode("utf-16-le")
    return data.decode("cp1252") if kind in (0xA7, 0xAF, 0x23) else data


def _date(data: bytes) -> date | None:
    return date.fromordinal(int.from_bytes(data, "little") + DAY_ZERO) if data else None


def _moment(kind: int, data: bytes, scale: int) -> time | datetime | None:
    if not data:
        return None
    size = 3 if scale <= 2 else 4 if scale <= 4 else 5
    since = (
        timedelta(microseconds=int.from_bytes(data[:size], "little") * 10 ** (6 - scale))
        if scale <= 6
        else (timedelta(microseconds=int.from_bytes(data[:size], "little") // 10))
    )
    clock = datetime(1, 1, 1) + since  # noqa: DTZ001 - a clock, of no day and no zone
    if kind == 0x29:
        return clock.time()
    found = datetime.combine(_date(data[size : size + 3]) or date.min, clock.time())
    if kind == 0x2A:
        return found
    offset = timezone(timedelta(minutes=int.from_bytes(data[size + 3 :], "little", signed=True)))
    return found.replace(tzinfo=UTC).astimezone(offset)


# -- Columns -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer: how it is described, and how its values are written."""

    name: str
    type_info: bytes
    write: Callable[[Any], bytes]
    null: bytes = b"\0"

    def encode(self, value: Any) -> bytes:
        return self.null if value is None else self.write(value)


def column(name: str, cells: list[Any]) -> Column:
    """A column for these values: of the type of the first that is none of NULL."""
    value = next((cell for cell in cells if cell is not None), "")
    if isinstance(value, bool):
        return Column(name, b"\x68\1", lambda cell: b"\1" + bytes([bool(cell)]))
    if isinstance(value, int):
        return Column(name, b"\x26\x08", lambda cell: b"\x08" + struct.pack("<q", cell))
    if isinstance(value, float):
        return Column(name, b"\x6d\x08", lambda cell: b"\x08" + struct.pack("<d", cell))
    if isinstance(value, Decimal):
        return _decimal_column(name, cells)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return Column(name, b"\x2a\x07", lambda cell: b"\x08" + _ticks(cell) + _days(cell))
        return Column(name, b"\x2b\x07", lambda cell: b"\x0a" + _ticks(cell) + _days(cell) + b"\0\0")
    if isinstance(value, date):
        return Column(name, b"\x28", lambda cell: b"\x03" + _days(cell))
    if isinstance(value, time):
        return Column(name, b"\x29\x07", lambda cell: b"\x05" + _ticks(cell))
    return _text_column(name, cells)


def _decimal_column(name: str, cells: list[Any]) -> Column:
    scale = max(-int(cell.as_tuple().exponent) for cell in cells if cell is not None)

    def write(cell: Decimal) -> bytes:
        digits = int(abs(cell).scaleb(scale))
        return b"\x11" + bytes([cell >= 0]) + digits.to_bytes(16, "little")

    return Column(name, b"\x6c\x11" + bytes([38, scale]), write)


def _text_column(name: str, cells: list[Any]) -> Column:
    def data(cell: Any) -> bytes:
        return cell if isinstance(cell, bytes) else str(cell).encode("utf-16-le")

    is_text = not any(isinstance(cell, bytes) for cell in cells)
    kind, collation = (b"\xe7", COLLATION) if is_text else (b"\xa5", b"")
    if max((len(data(cell)) for cell in cells if cell is not None), default=0) <= 8000:

        def write(cell: Any) -> bytes:
            return struct.pack("<H", len(data(cell))) + data(cell)

        return Column(name, kind + struct.pack("<H", 8000) + collation, write, b"\xff\xff")

    def write_large(cell: Any) -> bytes:
        written = data(cell)
        chunk = struct.pack("<I", len(written)) + written if written else b""
        return struct.pack("<Q", len(written)) + chunk + bytes(4)

    return Column(name, kind + b"\xff\xff" + collation, write_large, b"\xff" * 8)


def _ticks(cell: datetime | time) -> bytes:
    seconds = cell.hour * 3600 + cell.minute * 60 + cell.second
    return (seconds * 10_000_000 + cell.microsecond * 10).to_bytes(5, "little")


def _days(cell: date) -> bytes:
    return (cell.toordinal() - DAY_ZERO).to_bytes(3, "little")
