"""The rows of the newest merges as a small line; merges that were stopped are dots of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from apps.core.templatetags.facts import number
from apps.quality.models import Outcome

WIDTH, HEIGHT, MARGIN = 120, 24, 4


def sparkline(trend: Sequence[Any]) -> str:
    """`trend` holds (rows, verdict) of each merge, oldest first; the newest number stands beside the line."""
    if not trend:
        return "-"
    newest = number(trend[-1][0])
    if len(trend) < 2:
        return newest
    highest = max(1, *(rows for rows, _verdict in trend))
    step = (WIDTH - 2 * MARGIN) / (len(trend) - 1)
    places = [
        (round(MARGIN + step * place, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * rows / highest, 1), outcome)
        for place, (rows, outcome) in enumerate(trend)
    ]
    stopped = format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="3" fill="var(--dc-danger)"></circle>',
        ((str(x), str(y)) for x, y, outcome in places if outcome == Outcome.BLOCK),
    )
    return format_html(
        '<svg class="dc-spark" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}" fill="none">'
        '<polyline points="{3}" stroke="var(--dc-primary)" stroke-width="1.5"></polyline>{4}</svg> {5}',
        WIDTH, HEIGHT, _("Rows of the last %(count)s merges") % {"count": len(trend)},
        " ".join(f"{x},{y}" for x, y, _verdict in places), stopped, newest,
    )  # fmt: skip
