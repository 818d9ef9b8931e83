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
MAX_DEPTH = 8

_OPTIONS = orjson.OPT_NON_STR_KEYS


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
        text = orjson.dumps(data, default=_default, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        text = orjson.dumps(plain(data))
    # NUL is legal in JSON and refused by PostgreSQL.
    if b"\\u0000" in text or len(text) > MAX_TEXT_CHARS:
        text = orjson.dumps(plain(data))
        if len(text) > MAX_FRAME_BYTES - 200:
            text = orjson.dumps({"event": _cut(str(data.get("event", ""))), "truncated": True, "bytes": len(text)})
    return text


def frame(seq: int, kind: str, at: float, text: bytes) -> bytes:
    """One frame; `text` is what `dump` returned."""
    body = b'{"s":%d,"k":"%b","t":%.6f,"d":%b}' % (seq, kind.encode(), at, text)
    return b"%08x %b\n" % (binascii.crc32(body), body)


def parse(line: bytes, end: int) -> Frame | None:
    """The frame that stands on a line without its newline; None when it is not whole."""
    body = line[9:]
    if line[:9] != b"%08x " % binascii.crc32(body):
        return None
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
