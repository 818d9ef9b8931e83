"""How pages write amounts of money."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format

from apps.captcha.money import plain

register = template.Library()


@register.filter
def dollars(amount: Decimal | None) -> str:
    """US dollars, with as many digits as the amount has, and two at least."""
    if amount is None:
        return "-"
    return f"{number_format(amount, len(plain(amount).partition('.')[2]))} $"
