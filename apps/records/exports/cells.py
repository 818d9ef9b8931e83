"""What stands in a cell: one column at a time, the same for the list of a page and for the whole table."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import models

from apps.records.models import DataTable
from apps.records.rows import business_fields

#: What the platform says of a row, behind what was collected.
OWN_COLUMNS = ("created_at", "runtime", "archived_at", "archived_by")

#: A spreadsheet takes a text that begins like this for a formula, also behind the apostrophes that are put before it.
#: The last four are the wide forms of = + - @, which some spreadsheets take for the same.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export."""

    name: str
    attribute: str
    is_json: bool
    """Its values are JSON, texts included."""


def columns_of(model: type[DataTable]) -> list[Column]:
    """All business fields, the natural key first, and then what the platform says of the row."""
    fields = sorted(business_fields(model), key=lambda field: field.name not in model.natural_key)
    own = [model._meta.get_field(name) for name in OWN_COLUMNS]
    return [
        Column(str(field.name), str(field.attname), isinstance(field, models.JSONField))
        for field in (*fields, *own)
        if isinstance(field, models.Field)
    ]


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might obey the text instead of showing it."""
    return _FORMULA.match(text) is not None


def guarded(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet might obey it.

    Whoever reads the file takes one apostrophe away from each text for which `is_formula` is true.
    """
    return f"'{text}" if is_formula(text) else text


def as_text(value: Any) -> str:
    """A value, written out."""
    if isinstance(value, dict | list | tuple):
        return compact(value)
    write = _WRITERS.get(type(value))
    return write(value) if write is not None else guarded(str(value))


def compact(value: Any) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_text)


def as_json(value: Any) -> Any:
    """What orjson cannot write by itself: as text."""
    return as_text(value)


def json_line(values: dict[str, Any]) -> bytes:
    """One row of a JSONL file."""
    try:
        return orjson.dumps(values, default=as_json, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # an integer beyond 64 bits, or keys that are no texts
        return json.dumps(values, ensure_ascii=False, default=as_text).encode("utf-8", "replace") + b"\n"


def _moment(value: datetime) -> str:
    return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()


def _float(value: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))


def _decimal(value: Decimal) -> str:
    return format(value, "f") if value.is_finite() else str(value)


def _bytes(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    str: str,
    UUID: str,
    int: str,
    float: _float,
    Decimal: _decimal,
    datetime: _moment,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda value: _decimal(Decimal(value // timedelta(microseconds=1)).scaleb(-6).normalize()),
    bytes: _bytes,
    memoryview: _bytes,
}
