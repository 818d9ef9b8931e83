"""Lists in parts: each goes on behind the last row of the one before, however long the list is and whatever joins it.

A cursor is the place of that row in the order of the list, readable by nobody else and checked when it comes back.
Nothing is counted.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import FieldError, ValidationError
from django.db.models import Model, Q, QuerySet

from apps.api.problems import Problem
from apps.api.schemas import Listing, Many

_M = TypeVar("_M", bound=Model)
_T = TypeVar("_T")

MOST_CHARS = 500
#: Made once: parametrizing a schema takes longer than reading a hundred rows.
_Part = Listing[Any]


def page_of(rows: QuerySet[_M], order: Sequence[str], many: Many, present: Callable[[_M], _T]) -> Listing[_T]:
    """The part of `rows` that `many` asks for, in an `order` of columns without NULL that ends with a unique one."""
    found, following = part_of(rows, order, many)
    return _Part.model_construct(items=[present(row) for row in found], next_cursor=following)


def but(path: str, model: type[Model], *kept: str) -> list[str]:
    """For `defer`: the columns of the row that `path` leads to, all but its key and those that are shown."""
    fields = model._meta.concrete_fields
    return [f"{path}__{field.name}" for field in fields if not field.primary_key and field.name not in kept]


def part_of(rows: QuerySet[_M], order: Sequence[str], many: Many) -> tuple[list[_M], str | None]:
    """The rows behind the cursor, and the cursor of what follows them."""
    rows = rows.order_by(*order)
    if many.cursor:
        rows = rows.filter(_behind(rows, order, read_cursor(many.cursor, order)))
    # One more is read than is shown, to know whether it is all.
    found = list(rows[: many.limit + 1])
    has_more, found = len(found) > many.limit, found[: many.limit]
    return found, write_cursor(order, found[-1]) if has_more else None


def write_cursor(order: Sequence[str], row: Model) -> str:
    """The place of a row."""
    values = [_as_text(getattr(row, name.lstrip("-"))) for name in order]
    return encode([",".join(order), *values])


def encode(parts: Sequence[Any]) -> str:
    """Parts as one word that goes into an address."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str) -> list[Any]:
    """The parts of a word. Raises `Problem`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError):
        raise not_a_cursor() from None
    if not isinstance(parts, list) or not all(isinstance(part, str | int) for part in parts):
        raise not_a_cursor()
    return parts


def not_a_cursor() -> Problem:
    """The one refusal of every wrong cursor."""
    return Problem("bad-cursor", "cursor: take next_cursor of the same list as it is, or leave the cursor out.")


def read_cursor(cursor: str, order: Sequence[str]) -> list[Any]:
    """The values of a cursor of this order. Raises `Problem`."""
    parts = decode(cursor)
    if parts[:1] != [",".join(order)] or len(parts) != len(order) + 1:
        raise not_a_cursor()
    return parts[1:]


def _as_text(value: Any) -> str | int:
    return value if isinstance(value, int) else value.isoformat() if isinstance(value, datetime) else str(value)


def _behind(rows: QuerySet[_M], order: Sequence[str], values: Sequence[Any]) -> Q:
    """What comes after these values. The first column alone bounds the walk through an index."""
    values = [_column_value(rows, name, value) for name, value in zip(order, values, strict=True)]
    behind, before = Q(), Q()
    for name, value in zip(order, values, strict=True):
        column, is_falling = name.lstrip("-"), name.startswith("-")
        behind |= before & Q(**{f"{column}__{'lt' if is_falling else 'gt'}": value})
        before &= Q(**{column: value})
    first = order[0].lstrip("-")
    return Q(**{f"{first}__{'lte' if order[0].startswith('-') else 'gte'}": values[0]}) & behind


def _column_value(rows: QuerySet[Any], name: str, value: Any) -> Any:
    try:
        field = rows.model._meta.get_field(name.lstrip("-"))
        parsed = field.to_python(value)
    except (ValidationError, FieldError, ValueError, OverflowError):
        raise not_a_cursor() from None
    if isinstance(parsed, int) and abs(parsed) >= 2**63:
        raise not_a_cursor()
    if isinstance(parsed, datetime) and parsed.tzinfo is None:
        raise not_a_cursor()
    if isinstance(parsed, str) and "\x00" in parsed:
        raise not_a_cursor()
    return parsed
