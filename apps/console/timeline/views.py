"""The page of the timeline."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.policy import may, narrow
from apps.console.timeline import MAY_SEE
from apps.console.timeline.drawing import draw_axis, draw_lane, legend, told
from apps.console.timeline.lanes import STATES, Timeline, Wanted, read_timeline
from apps.console.timeline.span import RANGES, Span, read_span, written
from apps.core.clock import utc_now
from apps.registry.models import AppGroup

#: Runs in the table that says the same; the list of runs has all.
ROWS_SHOWN = 100
LONGEST_TEXT = 100


def timeline_urls(site: AdminSite) -> list[URLPattern]:
    """The page, and the part of it that changes by itself."""

    @require_safe
    @never_cache
    def page(request: HttpRequest) -> HttpResponse:
        context = {**site.each_context(request), "title": _("Timeline"), **_context(request), **_form(request)}
        return TemplateResponse(request, "console/timeline.html", context)

    @require_safe
    @never_cache
    def live(request: HttpRequest) -> HttpResponse:
        return TemplateResponse(request, "console/_timeline.html", _context(request))

    return [
        path("timeline/", site.admin_view(page), name="timeline"),
        path("timeline/live/", site.admin_view(live), name="timeline_live"),
    ]


def _context(request: HttpRequest) -> dict[str, Any]:
    if not may(request.user, MAY_SEE):
        raise PermissionDenied
    now = utc_now()
    span, problem = read_span(request.GET, now=now)
    wanted = _wanted(request)
    timeline = read_timeline(span, wanted, asker=request.user, now=now)
    kept = _kept(wanted)
    newest = sorted(
        ((bar.queued_at, lane.app, bar) for lane in timeline.lanes for bar in lane.bars),
        key=lambda row: row[0],
        reverse=True,
    )[:ROWS_SHOWN]
    return {
        "timeline": timeline,
        "problem": problem,
        "axis": draw_axis(timeline),
        "lanes": [(lane, draw_lane(lane, timeline, kept)) for lane in timeline.lanes],
        "rows": [(app, bar, told(bar, now)) for _queued_at, app, bar in newest],
        "moves": _moves(span, kept),
        "pages": _pages(timeline, kept),
        "legend": legend(),
        "live_query": _query(kept | span.as_query() | _page(wanted)),
        "kept": _query(kept),
        "first": written(span.begin),
        "last": written(span.end),
        "idle_link": _query(kept | span.as_query() | {"idle": "1"}),
    }


def _wanted(request: HttpRequest) -> Wanted:
    given, number = request.GET, request.GET.get("page", "1")
    return Wanted(
        text=given.get("q", "").strip().replace("\x00", "")[:LONGEST_TEXT],
        group=given.get("group", "").replace("\x00", "")[:LONGEST_TEXT],
        state=given.get("state", "") if given.get("state") in STATES else "",
        with_idle=given.get("idle") == "1",
        page=max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 1,
    )


def _kept(wanted: Wanted) -> dict[str, str]:
    """What the addresses of the page keep, whatever else they change."""
    given = {"q": wanted.text, "group": wanted.group, "state": wanted.state, "idle": "1" if wanted.with_idle else ""}
    return {name: value for name, value in given.items() if value}


def _page(wanted: Wanted) -> dict[str, str]:
    return {"page": str(wanted.page)} if wanted.page > 1 else {}


def _query(values: dict[str, str]) -> str:
    return f"?{urlencode(values)}"


def _moves(span: Span, kept: dict[str, str]) -> dict[str, Any]:
    """The links above the lanes; scripts follow them for keys."""

    def link(target: dict[str, str]) -> str:
        return _query(kept | target)

    return {
        "ranges": [(name, link({"range": name}), name == span.name) for name in RANGES],
        "earlier": link(span.moved(-0.5).as_query()),
        "later": link(span.moved(0.5).as_query()),
        "closer": link(span.zoomed(0.5).as_query()),
        "wider": link(span.zoomed(2).as_query()),
        "now": link({"range": span.name or "6h"}),
    }


def _pages(timeline: Timeline, kept: dict[str, str]) -> dict[str, str]:
    page, base = timeline.wanted.page, kept | timeline.span.as_query()
    found = {}
    if page > 1:
        found["before"] = _query(base | {"page": str(page - 1)})
    if page < timeline.pages:
        found["after"] = _query(base | {"page": str(page + 1)})
    return found


def _form(request: HttpRequest) -> dict[str, Any]:
    """What the filters offer."""
    groups = narrow(request.user, "registry.view_appgroup", AppGroup.objects.order_by("name"))
    names = {
        "wrong": _("gone wrong"),
        "open": _("queued or live"),
        "succeeded": _("succeeded"),
        "stopped": _("stopped"),
        "skipped": _("skipped"),
    }
    return {
        "groups": list(groups.values_list("name", flat=True)[:200]),
        "states": names.items(),
        "live_url": reverse("admin:timeline_live"),
    }
