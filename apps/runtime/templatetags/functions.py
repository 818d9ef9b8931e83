"""How pages write about watched functions."""

from __future__ import annotations

from django import template
from django.utils.formats import get_format, number_format

from apps.core.templatetags.facts import span

register = template.Library()


@register.filter
def ms(value: float | None) -> str:
    """Milliseconds with three significant digits, from `850 µs` to `2 h 5 min`."""
    if value is None:
        return "-"
    if value >= 10_000:
        return span(value / 1000)
    amount, unit = (value * 1000, "µs") if value < 0.9995 else (value, "ms") if value < 999.5 else (value / 1000, "s")
    return f"{amount:.3g}".replace(".", get_format("DECIMAL_SEPARATOR")) + f"\u00a0{unit}"


@register.filter
def percent(share: float | None) -> str:
    """A share of 1 as percent."""
    if share is None:
        return "-"
    return f"<\u00a0{number_format(0.1, 1)}\u00a0%" if 0 < share < 0.001 else f"{number_format(100 * share, 1)}\u00a0%"
