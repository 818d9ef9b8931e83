"""How pages write moments, durations, sizes and choices. Every moment keeps its exact value in a tooltip."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.core.clock import utc_now

register = template.Library()

#: The letter for days is another one in other languages.
_STEPS = ((86400, gettext_noop("d")), (3600, "h"), (60, "min"), (1, "s"))


#: Characters that a page would obey instead of showing: controls, and what turns the direction of writing.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@register.filter
def legible(value: Any, length: int = 4000) -> str:
    """Text of strangers, to be read: control characters are shown as what they are, and it has an end."""
    text = str(value)
    cut = (
        text
        if len(text) <= length
        else _("%(text)s… (%(count)s characters more)") % {"text": text[:length], "count": len(text) - length}
    )
    return _OBEYED.sub(lambda found: f"\\x{ord(found.group()):02x}", cut)


@register.filter
def span(seconds: float | None) -> str:
    """A duration by its two largest units: `3 min 20 s`."""
    if seconds is None:
        return "-"
    rest = max(0.0, float(seconds))
    if 0 < rest < 10:
        return f"{number_format(rest, 1)} s"
    whole, parts = round(rest), []
    for size, unit in _STEPS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {_(unit)}")
    return " ".join(parts[:2]) or "0 s"


def _largest(seconds: float) -> str:
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {_(unit)}"
    return "0 s"


def _time(moment: datetime, text: str) -> SafeString:
    local = timezone.localtime(moment)
    exact = f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


@register.filter
def ago(moment: datetime | None) -> str:
    """`3 min ago`, or `in 3 min` for what is still to come."""
    if moment is None:
        return "-"
    seconds = (utc_now() - moment).total_seconds()
    if abs(seconds) < 1:
        return _time(moment, _("now"))
    said = _("%(span)s ago") if seconds > 0 else _("in %(span)s")
    return _time(moment, said % {"span": _largest(abs(seconds))})


@register.filter
def moment(value: datetime | None) -> str:
    """The clock time, with the date when it is another day's."""
    if value is None:
        return "-"
    local = timezone.localtime(value)
    same_day = local.date() == timezone.localdate()
    return _time(value, f"{local:%H:%M:%S}" if same_day else f"{local:%Y-%m-%d %H:%M:%S}")


@register.filter
def zone(value: datetime) -> str:
    """The name of the time zone that pages show."""
    return timezone.localtime(value).tzname() or ""


@register.filter
def size(value: float | None) -> str:
    """Bytes as people write them."""
    if value is None:
        return "-"
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{number_format(amount, 1)} {unit}"
        amount /= 1000
    return f"{number_format(amount, 1)} TB"


@register.filter
def number(value: float | None) -> str:
    """An integer with thin spaces between thousands."""
    return "-" if value is None else f"{int(value):,}".replace(",", "\u2009")


@register.filter
def as_json(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


@register.filter
def cell(value: Any, length: int = 1000) -> str:
    """A collected value, to be read; nothing and an empty text are told apart."""
    if value is None:
        return _("(none)")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return f"{local.isoformat(sep=' ')}"
    if isinstance(value, dict | list):
        return legible(json.dumps(value, ensure_ascii=False, default=str), length)
    return legible(value, length) or _("(empty)")
