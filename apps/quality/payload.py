"""A row as JSON text and back: what is put aside can be merged later."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from django.db import models

#: The journal cuts longer texts, so a payload travels in pieces; together they fit one frame.
PIECE, MOST = 16_000, 160_000


def payload_of(row: Any) -> str:
    """The row as JSON in ASCII: no NUL and no half character gets in the way of a database."""
    return json.dumps(_plain(_mapping(row)), ensure_ascii=True)


def row_of(payload: str) -> Any:
    """The row again, as a source could have given it."""
    return json.loads(payload)


def digest_of(payload: str) -> str:
    """By which two payloads are told apart."""
    return hashlib.sha256(payload.encode()).hexdigest()


def pieces_of(payload: str) -> list[str]:
    """The payload for a frame."""
    return [payload[start : start + PIECE] for start in range(0, len(payload), PIECE)]


def _mapping(row: Any) -> Any:
    if isinstance(row, models.Model):
        skipped = {"id", "sha", "archived_at", "archived_by", "created_at", "modified_at", "runtime"}
        return {f.name: getattr(row, f.attname) for f in row._meta.concrete_fields if f.name not in skipped}
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return row


def _plain(value: Any) -> Any:
    """What JSON holds and what the fields of a table read back: numbers and moments as their text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
