"""Why a value does not fit its field, as a rule and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import is_naive

#: The code of Django's ValidationError -> the rule that was broken; what is not here is the format.
RULES = {
    "max_length": "length",
    "min_length": "length",
    "max_value": "range",
    "min_value": "range",
    "max_digits": "digits",
    "max_decimal_places": "digits",
    "max_whole_digits": "digits",
    "invalid_date": "type",
    "invalid_datetime": "type",
    "invalid_time": "type",
    "invalid": "type",
    "invalid_nullable": "type",
}
COLLECTIONS = (Mapping, list, tuple, set, frozenset, bytes, bytearray, memoryview)


class DoesNotFit(Exception):
    """A value does not fit its field: the message ends a sentence that begins with the name of the field."""

    def __init__(self, rule: str, words: str) -> None:
        super().__init__(words)
        self.rule = rule


def cleaner(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """A function that gives the value as the field keeps it, or raises `DoesNotFit`."""

    def clean(value: Any) -> Any:
        if fault := _lossy(field, value):
            raise DoesNotFit("type", fault)
        try:
            value = field.to_python(value)
            if value is not None:
                field.run_validators(value)
        except ValidationError as error:
            codes = [getattr(each, "code", "") for each in error.error_list]
            rule = RULES.get(codes[0] or "", "format") if codes else "format"
            raise DoesNotFit(rule, " ".join(error.messages).rstrip(".")) from None
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise DoesNotFit("type", f"is a {type(value).__name__} that cannot be read: {error}") from None
        _refuse_what_no_database_stores(field, value)
        return value

    return clean


def _lossy(field: models.Field[Any, Any], value: Any) -> str:
    """What Django would take in and lose something of."""
    if isinstance(field, models.IntegerField) and isinstance(value, float | Decimal) and value % 1 != 0:
        return f"is {value}, not a whole number"
    if isinstance(field, models.CharField | models.TextField) and isinstance(value, COLLECTIONS):
        return f"is a {type(value).__name__}, not a text"
    return ""


def _refuse_what_no_database_stores(field: models.Field[Any, Any], value: Any) -> None:
    if value is None and not field.null:
        raise DoesNotFit("null", "must not be empty (None)")
    if _holds_nul(value):
        raise DoesNotFit("nul", "holds a NUL character, which no database can store")
    if isinstance(value, datetime) and is_naive(value):
        raise DoesNotFit("naive", f"is {value.isoformat()}, a time without a zone")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))
