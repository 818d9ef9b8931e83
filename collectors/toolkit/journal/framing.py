"""The form of a frame, on disk.

    1f2e3d4c {"s":17,"k":"log","t":1763881234.123456,"d":{"event":"page.fetched"}}\n

CRC-32 of the JSON text in eight hex digits, a space, the JSON object, a newline. `s` counts the frames of the file from
1 without gaps, `k` is the kind, `t` the moment in seconds since the epoch, `d` what the frame says. JSON escapes every
newline, so a newline always ends a frame, and a reader finds the next frame behind any damage.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import orjson

#: A frame is never longer; the writer cuts what it is given until it fits.
MAX_FRAME_BYTES = 256 * 1024
#: Text longer than this is cut, and says so.
MAX_TEXT_CHARS = 64 * 1024
MAX_KEYS = 200
#: Bytes of a line that are not its JSON: checksum, space and newline.
AROUND = 10
MAX_DEPTH = 8

_OPTIONS = orjson.OPT_NON_STR_KEYS
_BACKSLASH = ord("\\")


class Frame(NamedTuple):
    """One frame as it was read."""

    seq: int
    kind: str
    at: float
    """Seconds since the epoch."""
    data: dict[str, Any]
    end: int
    """Offset of the byte behind the frame."""


def dump(data: Mapping[str, Any]) -> bytes:
    """`data` as JSON text that any database takes. What JSON cannot hold is written as text; never raises."""
    try:
        text = encode(data)
    except (TypeError, ValueError, RecursionError):
        text = orjson.dumps(plain(data))
    if needs_cutting(text):
        text = orjson.dumps(plain(data))
        if len(text) > MAX_FRAME_BYTES - 200:
            text = orjson.dumps({"event": _cut(str(data.get("event", ""))), "truncated": True, "bytes": len(text)})
    return text


def encode(value: Any) -> bytes:
    """`value` as JSON text, as it is; what JSON cannot hold raises `TypeError`, `ValueError` or `RecursionError`."""
    return orjson.dumps(value, default=_default, option=_OPTIONS)


def line_text(event: str, place: bytes, context: bytes) -> bytes:
    """What a line says, as JSON; `place` are fields in JSON, behind a comma. Raises `TypeError` as `encode` does."""
    if context == b"{}":
        return b"".join((b'{"event":', orjson.dumps(event), place, b"}"))
    return b"".join((b'{"event":', orjson.dumps(event), place, b',"c":', context, b"}"))


def needs_cutting(text: bytes) -> bool:
    """Whether JSON text is too long, or holds NUL, which is legal in JSON and refused by PostgreSQL."""
    # A number is looked for at once; looking for text costs as much as making all of it.
    return len(text) > MAX_TEXT_CHARS or (_BACKSLASH in text and b"\\u0000" in text)


def frame(seq: int, kind: str, at: float, text: bytes) -> bytes:
    """One frame; `text` is what `dump` returned."""
    # A join costs a third of what % does, for every line there is.
    head = (b'{"s":', orjson.dumps(seq), b',"k":"', kind.encode(), b'","t":', orjson.dumps(at), b',"d":')
    body = b"".join((*head, text, b"}"))
    return b"".join((b"%08x " % binascii.crc32(body), body, b"\n"))


class Said(NamedTuple):
    """A frame of kind `log` in the parts that `line_text` was given, most of them still JSON."""

    seq: int
    at: float
    event: str
    place: bytes
    """In JSON, from the level on."""
    context: bytes


def body_of(line: bytes) -> bytes | None:
    """What stands behind the checksum of a line, which ends in a newline; None when they do not agree."""
    body = line[9:-1]
    return body if line[:9] == b"%08x " % binascii.crc32(body) else None


def split(body: bytes) -> Said | None:
    """The parts of a line as `line_text` puts them together, in a third of the time that reading all of it takes.

    None for everything else. A quote inside of JSON text has a backslash before it, so that the marks looked for here
    stand between values and nowhere else.
    """
    head, mark, rest = body.partition(b',"level":')
    if not mark:
        return None
    place, mark, context = rest.partition(b',"c":{')
    try:
        top = orjson.loads(head + b"}}")
        inner = top["d"]
        event = inner["event"]
        if len(inner) > 1 or event.__class__ is not str or top["k"] != "log":
            return None
        if mark:
            return tuple.__new__(Said, (top["s"], top["t"], event, place, b"{" + context[:-2]))
        return tuple.__new__(Said, (top["s"], top["t"], event, place[:-2], b"{}"))
    except (ValueError, KeyError, TypeError):
        return None


def parse(line: bytes, end: int) -> Frame | None:
    """The frame that stands on a line, newline included; None when it is not whole."""
    body = body_of(line)
    return None if body is None else decode(body, end)


def decode(body: bytes, end: int) -> Frame | None:
    """The frame that stands behind a checksum; None when it is no JSON, or not that of a frame."""
    try:
        value = orjson.loads(body)
        # Frame(...) would cost twice as much, for every line there is.
        return tuple.__new__(Frame, (value["s"], value["k"], value["t"], value["d"], end))
    except (ValueError, KeyError, TypeError):
        return None


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON and databases can hold it: bounded in depth, width and length."""
    match value:
        case None | bool():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return _cut(value)
        case _ if depth >= MAX_DEPTH:
            return _as_text(value)
        case Mapping():
            items = list(value.items())
            result = {_cut(str(key)): plain(item, depth + 1) for key, item in items[:MAX_KEYS]}
            if len(items) > MAX_KEYS:
                result["left_out_keys"] = len(items) - MAX_KEYS
            return result
        case list() | tuple() | set() | frozenset():
            items = list(value)
            result_list = [plain(item, depth + 1) for item in items[:MAX_KEYS]]
            return [*result_list, f"... {len(items) - MAX_KEYS} more"] if len(items) > MAX_KEYS else result_list
        case _ if is_dataclass(value) and not isinstance(value, type):
            return plain({part.name: getattr(value, part.name, None) for part in fields(value)}, depth)
    return _as_text(value)


def _default(value: Any) -> Any:
    """What orjson does not know by itself."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (set, frozenset)) else _as_text(value)


def _as_text(value: Any) -> str:
    try:
        return _cut(str(value))
    except Exception as error:  # noqa: BLE001 - an object whose str() fails is no reason to lose a line
        return f"<{type(value).__name__} without text: {type(error).__name__}>"


def _cut(text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        text = f"{text[:MAX_TEXT_CHARS]}... ({len(text) - MAX_TEXT_CHARS} characters cut)"
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
