"""The picture of a lane, as SVG whose widths are shares: it fits every window, and works without a script.

Height says what colour says, as in the strips of runs: gone wrong is tallest, succeeded lower, everything else lowest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.timeline.lanes import Bar, Lane, Slice, Timeline
from apps.console.timeline.span import Span
from apps.core.templatetags.facts import span as written_span
from apps.runtime.days import WRONG
from apps.runtime.models import State

ROW, GAP = 18, 3
HEIGHTS = {"danger": 18, "success": 13}
LOWEST = 9
#: Plans that are closer than this, in percent of the width, are one outline.
PLAN_SHARE = 1.2


def draw_lane(lane: Lane, timeline: Timeline, query: dict[str, str]) -> SafeString:
    """All bars, slices and plans of a lane. `query` is what addresses of the timeline keep."""
    span, now = timeline.span, timeline.now
    height = lane.row_count * (ROW + GAP) + GAP
    base = reverse("admin:runtime_runtime_change", args=["0"])
    parts = [_line(mark.place, height, "dc-tl-mark") for mark in span.marks()]
    if span.holds(now):
        parts.append(_line(span.place(now), height, "dc-tl-now"))
    most = max((piece.count for piece in lane.slices), default=1)
    parts += [_slice(piece, most, span, query) for piece in lane.slices]
    parts += [_bar(bar, span, now, base) for bar in lane.bars]
    parts += _plans(lane, span)
    return _svg("dc-tl-lane", height, parts)


def draw_axis(timeline: Timeline) -> SafeString:
    """The moments above the lanes."""
    span = timeline.span
    parts = [
        format_html(
            '<text class="{}" x="{}%" y="14" text-anchor="middle">{}</text>',
            "dc-tl-odd" if number % 2 else "dc-tl-even", str(mark.place), mark.text,
        )
        for number, mark in enumerate(span.marks())
    ]  # fmt: skip
    if span.holds(timeline.now):
        parts.append(_line(span.place(timeline.now), 20, "dc-tl-now"))
    return _svg("dc-tl-axis", 20, parts)


def _svg(kind: str, height: int, parts: list[SafeString]) -> SafeString:
    start = '<svg class="{}" width="100%" height="{}" aria-hidden="true" focusable="false">{}</svg>'
    return format_html(start, kind, height, _joined(parts))


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _bar(bar: Bar, span: Span, now: datetime, base: str) -> SafeString:
    """The time it waited is lighter, what it ran is full; what has not ended reaches to now and is dashed."""
    end, begun = bar.ended_at or now, bar.started_at or bar.ended_at or now
    colour = bar.state.colour
    height = HEIGHTS.get(colour, LOWEST)
    top = GAP + bar.row * (ROW + GAP) + ROW - height
    is_open = " dc-tl-open" if bar.ended_at is None else ""
    waited, ran = (span.place(bar.queued_at), span.place(begun)), (span.place(begun), span.place(end))
    shapes = []
    if waited[1] > waited[0]:
        shapes.append(_rect("dc-tl-wait", waited[0], waited[1], top, height))
    if bar.started_at is not None:
        shapes.append(_rect(f"dc-tl-run dc-tl-{colour}{is_open}", ran[0], ran[1], top, height))
    elif not shapes or bar.ended_at is not None:
        shapes.append(_rect(f"dc-tl-run dc-tl-{colour}", waited[1], waited[1], top, height))
    return _link(base.replace("/0/", f"/{bar.run_id}/"), told(bar, now), shapes)


def _link(href: str, title: str, shapes: list[SafeString]) -> SafeString:
    return format_html('<a href="{}" tabindex="-1"><title>{}</title>{}</a>', href, title, _joined(shapes))


def told(bar: Bar, now: datetime) -> str:
    """A run in a sentence."""
    words = [str(bar.state.label), _("queued %(at)s") % {"at": _at(bar.queued_at)}]
    if bar.started_at is not None:
        words.append(_("waited %(span)s") % {"span": written_span((bar.started_at - bar.queued_at).total_seconds())})
        ran = ((bar.ended_at or now) - bar.started_at).total_seconds()
        words.append((_("ran %(span)s") if bar.ended_at else _("runs for %(span)s")) % {"span": written_span(ran)})
    return ", ".join(words)


def _slice(piece: Slice, most: int, span: Span, query: dict[str, str]) -> SafeString:
    """How many runs there were, by height; on top those that went wrong. It leads to its part of the range."""
    left, right = span.place(piece.begin), span.place(piece.end)
    height = max(3.0, ROW * piece.count / most)
    wrong = round(max(2.0, height * piece.wrong / piece.count) if piece.wrong else 0.0, 1)
    top, rest = round(GAP + ROW - height, 1), round(height - wrong, 1)
    shapes = [_rect("dc-tl-run dc-tl-success", left, right, round(top + wrong, 1), rest)] if rest > 0 else []
    if wrong:
        shapes.append(_rect("dc-tl-run dc-tl-danger", left, right, top, wrong))
    text = ngettext("%(count)s run", "%(count)s runs", piece.count) % {"count": piece.count}
    text = f"{_at(piece.begin)} - {_at(piece.end)}: {text}"
    if piece.wrong:
        text += ", " + ngettext("%(count)s went wrong", "%(count)s went wrong", piece.wrong) % {"count": piece.wrong}
    return _link("?" + urlencode(query | Span(piece.begin, piece.end).zoomed(1).as_query()), text, shapes)


def _plans(lane: Lane, span: Span) -> Iterator[SafeString]:
    last = -PLAN_SHARE
    for moment in lane.planned:
        place = span.place(moment)
        if place - last < PLAN_SHARE:
            continue
        last = place
        yield format_html(
            '<g><title>{}</title><rect class="dc-tl-plan" x="{}%" y="{}" width="7" height="12" rx="1"></rect></g>',
            _("due %(at)s") % {"at": _at(moment)}, str(place), GAP + ROW - 13,
        )  # fmt: skip


def _rect(kind: str, left: float, right: float, top: float, height: float) -> SafeString:
    width = round(max(0.0, right - left), 3)
    shape = '<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"></rect>'
    return format_html(shape, kind, str(left), str(top), str(width), str(height))


def _line(place: float, height: int, kind: str) -> SafeString:
    return format_html(
        '<line class="{}" x1="{}%" x2="{}%" y1="0" y2="{}"></line>', kind, str(place), str(place), height
    )


def _at(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == timezone.localdate() else f"{local:%Y-%m-%d %H:%M:%S}"


def legend() -> list[tuple[str, str, int]]:
    """What heights and colours mean: class, words, height."""
    shown = (State.SUCCEEDED, *WRONG[:1], State.RUNNING, State.STOPPED, State.SKIPPED)
    names = {State.FAILED: _("failed, crashed or timed out"), State.SKIPPED: _("skipped or cancelled")}
    return [
        (f"dc-tl-{state.colour}", names.get(state, str(state.label)), HEIGHTS.get(state.colour, LOWEST))
        for state in shown
    ]
