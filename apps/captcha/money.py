"""Amounts of money: Decimal in Python, whole millionths of a dollar in the database.

SQLite has no decimal numbers: it would add up in binary fractions, and a budget would never be quite spent.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.db.models import Value

UNIT = Decimal("0.000001")
MILLION = 1_000_000
#: More is a typing error.
MOST = Decimal(1_000_000)

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
else:
    _Field = models.Field


def rounded(amount: Decimal) -> Decimal:
    """To a millionth of a dollar, which is as fine as providers charge."""
    return amount.quantize(UNIT, ROUND_HALF_UP)


def plain(amount: Decimal) -> str:
    """As text, at least two digits after the point: 0.002, 1.50."""
    whole, _, part = f"{rounded(amount):f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


class MoneyField(_Field):
    """US dollars, to a millionth."""

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-6)

    def get_prep_value(self, value: Any) -> int | None:
        value = super().get_prep_value(value)
        return None if value is None else int(rounded(Decimal(value)) * MILLION)

    def to_python(self, value: Any) -> Decimal | None:
        return None if value is None else rounded(Decimal(str(value)))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        options = {"form_class": forms.DecimalField, "max_digits": 12, "decimal_places": 6, "min_value": 0}
        return super().formfield(**{**options, **kwargs})


def money(amount: Decimal) -> Value:
    """An amount in an expression of the database."""
    return Value(amount, output_field=MoneyField())
