"""How pages write about the quality of rows."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.formats import number_format

from apps.quality.models import Outcome

register = template.Library()


@register.filter
def share(value: Any) -> str:
    """A share of 1 as percent; what is not all is never rounded up to all."""
    if not isinstance(value, float | int):
        return "-"
    return f"{number_format(min(100 * value, 100 if value >= 1 else 99.9), 1)}\u00a0%"


@register.filter
def verdict_colour(outcome: str) -> str:
    """The colour of what the rules said."""
    return Outcome(outcome).colour
