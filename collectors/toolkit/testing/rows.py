"""Reading a row as the table of its model would, without importing Django: the model brings what is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from collectors.contract import Record
from collectors.toolkit.errors import BadRow

Values = dict[str, Any]
COLLECTIONS = (Mapping, list, tuple, set, frozenset, bytes, bytearray, memoryview)


def read_row(model: Any, number: int, row: Record) -> Values:
    """The business values of `row`, which is the `number`th of its merge. Raises `BadRow`."""
    fields = _fields(model)
    given = _as_mapping(model, number, row, fields)
    if not fields:
        missing = [name for name in model.natural_key if name not in given]
        if missing:
            raise _bad(model, number, missing[0], "is missing")
        return dict(given)
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise _bad(model, number, str(unknown[0]), "is not a field of this table")
    return {name: _value(model, number, field, given) for name, field in fields.items()}


def _fields(model: Any) -> dict[str, Any]:
    """The fields of a Django model that its hash covers; none for any other class."""
    if not hasattr(model, "_meta"):
        return {}
    wanted = model.hash_fields()
    return {field.name: field for field in model._meta.concrete_fields if field.name in wanted}


def _as_mapping(model: Any, number: int, row: Record, fields: dict[str, Any]) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row
    if fields and isinstance(row, model):
        return {name: getattr(row, field.attname) for name, field in fields.items()}
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    raise BadRow(
        f"Row {number} is a {type(row).__name__}; give {model.__name__} a mapping, a dataclass or an instance."
    )


def _value(model: Any, number: int, field: Any, given: Mapping[str, Any]) -> Any:
    if field.name not in given:
        if not (field.has_default() or field.null or field.blank):
            raise _bad(model, number, field.name, "is missing")
        return field.get_default()
    if fault := _lossy(field, given[field.name]):
        raise _bad(model, number, field.name, fault)
    try:
        value = field.to_python(given[field.name])
        if value is not None:
            field.run_validators(value)
    except Exception as error:
        # Django's ValidationError is told by its list of messages.
        if not hasattr(error, "messages"):
            raise
        raise _bad(model, number, field.name, " ".join(error.messages).rstrip(".")) from None
    if fault := _fault(field, value):
        raise _bad(model, number, field.name, fault)
    return value


def _lossy(field: Any, value: Any) -> str:
    """What Django would take in and lose something of."""
    kind = field.get_internal_type()
    if kind.endswith("IntegerField") and isinstance(value, float | Decimal) and value % 1 != 0:
        return f"is {value}, not a whole number"
    if kind in {"CharField", "TextField"} and isinstance(value, COLLECTIONS):
        return f"is a {type(value).__name__}, not a text"
    return ""


def _fault(field: Any, value: Any) -> str:
    """What no database could store, whatever the field says."""
    if value is None:
        return "" if field.null else "must not be empty (None)"
    if isinstance(value, str) and "\x00" in value:
        return "holds a NUL character, which no database can store"
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"is {value.isoformat()}, a time without a zone"
    return ""


def _bad(model: Any, number: int, field: str, what: str) -> BadRow:
    return BadRow(f'Row {number} of {model.__name__}: "{field}" {what}.')
