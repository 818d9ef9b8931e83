"""Packets, logins, requests and tokens of TDS 7.2 to 7.4, as [MS-TDS] defines them.

https://learn.microsoft.com/openspecs/windows_protocols/ms-tds
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.tds import values

BATCH, RPC, REPLY, ATTENTION, TRANSACTION, LOGIN, PRELOGIN = 1, 3, 4, 6, 14, 16, 18
LAST = 1
ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = range(4)
MORE, FAILED, COUNTED, ATTENDED = 0x01, 0x02, 0x10, 0x20
PACKET = 4096
END = values.Reader.END

#: Procedures that a client may name by number.
PROCEDURES = {10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 15: "sp_unprepare"}


class HungUp(Exception):
    """The client is gone."""


def read_message(receive: Callable[[int], bytes]) -> tuple[int, bytes]:
    """The next message: its kind, and what is in its packets."""
    parts = []
    while True:
        kind, status, length = struct.unpack(">BBH", exactly(receive, 8)[:4])
        parts.append(exactly(receive, length - 8))
        if status & LAST:
            return kind, b"".join(parts)


def packets(kind: int, payload: bytes) -> Iterator[bytes]:
    """The payload in packets."""
    size = PACKET - 8
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    for number, piece in enumerate(pieces, 1):
        status = LAST if number == len(pieces) else 0
        yield struct.pack(">BBHHBB", kind, status, len(piece) + 8, 0, number % 256, 0) + piece


def exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    """So many bytes. Raises `HungUp`."""
    parts = b""
    while len(parts) < size:
        part = receive(size - len(parts))
        if not part:
            raise HungUp
        parts += part
    return parts


# -- What a client says ------------------------------------------------------------------------------------------------


def wants_encryption(prelogin: bytes) -> int:
    """What the client says about encryption."""
    at = 0
    while prelogin[at] != 0xFF:
        option, offset, _ = struct.unpack_from(">BHH", prelogin, at)
        if option == 1:
            return int(prelogin[offset])
        at += 5
    return ENCRYPT_NOT_SUPPORTED


def prelogin_reply(encryption: int) -> bytes:
    """Version 16, and what the server says about encryption."""
    fields = [(0, bytes([16, 0, 0x10, 0, 0, 0])), (1, bytes([encryption])), (2, b"\0"), (3, b""), (4, b"\0")]
    offset, head, body = 5 * len(fields) + 1, b"", b""
    for token, content in fields:
        head += struct.pack(">BHH", token, offset + len(body), len(content))
        body += content
    return head + b"\xff" + body


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants in, and to what."""

    user: str
    password: str
    database: str
    is_integrated: bool

    @classmethod
    def parse(cls, data: bytes) -> Login:
        def text(at: int) -> bytes:
            offset, length = struct.unpack_from("<HH", data, at)
            return data[offset : offset + 2 * length]

        hidden = bytes((byte ^ 0xA5) << 4 & 0xF0 | (byte ^ 0xA5) >> 4 for byte in text(44))
        user, password, database = (part.decode("utf-16-le") for part in (text(40), hidden, text(68)))
        return cls(user, password, database, is_integrated=bool(data[25] & 0x80))


def without_headers(data: bytes) -> bytes:
    """A request after its ALL_HEADERS."""
    return data[struct.unpack_from("<I", data)[0] :]


@dataclass(frozen=True, slots=True)
class Call:
    """A procedure called by the protocol: its parameters by name."""

    name: str
    params: Sequence[tuple[str, Any]]


def calls(data: bytes) -> Iterator[Call]:
    """The procedures of one request; drivers send many at once."""
    reader = values.Reader(without_headers(data))
    while not reader.at_end:
        length = reader.number("<H")
        name = PROCEDURES[reader.number("<H")] if length == 0xFFFF else reader.take(2 * length).decode("utf-16-le")
        reader.take(2)
        params = []
        while reader.peek() not in (END, 0x80, 0xFF, 0xFE):
            param = reader.short_text()
            reader.take(1)
            params.append((param, values.typed(reader)))
        if not reader.at_end:
            reader.take(1)
        yield Call(name, params)


# -- What the server says ----------------------------------------------------------------------------------------------


def short(text: str) -> bytes:
    """A text behind its length in one byte."""
    return bytes([len(text)]) + text.encode("utf-16-le")


def long(text: str) -> bytes:
    """A text behind its length in two bytes."""
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")


def token(kind: int, body: bytes) -> bytes:
    return struct.pack("<BH", kind, len(body)) + body


def error(number: int, message: str, severity: int = 16) -> bytes:
    return token(
        0xAA, struct.pack("<IBB", number, 1, severity) + long(message) + short("standin") + short("") + b"\1\0\0\0"
    )


def login_acknowledged(database: str) -> bytes:
    changed = token(0xE3, b"\1" + short(database) + short("master"))
    collation = token(0xE3, b"\7\5" + values.COLLATION + b"\0")
    accepted = token(0xAD, b"\1" + bytes([0x74, 0, 0, 4]) + short("Stand-in") + bytes([16, 0, 0, 0]))
    return changed + collation + accepted + token(0xE3, b"\4" + short(str(PACKET)) + short(str(PACKET)))


def transaction_changed(kind: int, number: int) -> bytes:
    """`kind`: 8 begun, 9 committed, 10 rolled back."""
    descriptor = b"\x08" + struct.pack("<Q", number)
    return token(0xE3, bytes([kind]) + (descriptor + b"\0" if kind == 8 else b"\0" + descriptor))


def columns(found: Sequence[values.Column]) -> bytes:
    described = b"".join(struct.pack("<IH", 0, 1) + column.type_info + short(column.name) for column in found)
    return struct.pack("<BH", 0x81, len(found)) + described


def row(found: Sequence[values.Column], cells: Sequence[Any]) -> bytes:
    return b"\xd1" + b"".join(column.encode(cell) for column, cell in zip(found, cells, strict=True))


def returned(ordinal: int, name: str, value: int) -> bytes:
    """The value of a parameter that comes back: handles of prepared statements are whole numbers."""
    return (
        struct.pack("<BH", 0xAC, ordinal)
        + short(name)
        + b"\1"
        + struct.pack("<IH", 0, 1)
        + b"\x26\4\4"
        + struct.pack("<i", value)
    )


def status(code: int) -> bytes:
    return struct.pack("<Bi", 0x79, code)


def done(flags: int, count: int = 0, kind: int = 0xFD) -> bytes:
    """`kind`: 0xFD done, 0xFE done with a procedure, 0xFF done with a statement of one."""
    return struct.pack("<BHHQ", kind, flags, 0, count)
