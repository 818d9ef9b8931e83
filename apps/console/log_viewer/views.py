"""The page of a run's log and the questions its scripts ask. Everything here needs `logs.view_log`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.policy import may, narrow
from apps.console.log_viewer import MAY_READ, rows
from apps.console.log_viewer.download import TYPES, stream_lines
from apps.console.log_viewer.filters import BAD, BadFilter, LineFilter, read_filter
from apps.console.log_viewer.scanning import Busy, Span, find_lines
from apps.console.log_viewer.tally import count_lines
from apps.logs.models import Log
from apps.runtime.models import Runtime, State

MOST_LINES = 500
MOST_MATCHES = 20_000
MOST_DIGITS = 15

_View = Callable[[HttpRequest, Runtime], HttpResponse]


def log_viewer_urls(site: AdminSite) -> list[URLPattern]:
    """The addresses below `runtime/runtime/<id>/log/`."""
    page = _for_readers(lambda request, run: _page(site, request, run))
    views = {"": ("page", page), "lines/": ("lines", _for_readers(_lines)), "line/": ("line", _for_readers(_line))}
    views |= {name + "/": (name, _for_readers(view)) for name, view in QUESTIONS.items()}
    return [
        path(f"runtime/runtime/<str:run_id>/log/{tail}", site.admin_view(view), name=f"run_log_{name}")
        for tail, (name, view) in views.items()
    ]


def _for_readers(view: _View) -> Callable[..., HttpResponse]:
    @require_safe
    @never_cache
    @wraps(view)
    def checked(request: HttpRequest, run_id: str) -> HttpResponse:
        if not may(request.user, MAY_READ):
            raise PermissionDenied
        run = narrow(request.user, MAY_READ, Runtime.objects.select_related("app")).filter(pk=run_id).first()
        if run is None:
            raise Http404(_("There is no such run; its app may have been deleted."))
        try:
            return view(request, run)
        except BadFilter as error:
            return _json({"error": str(error)}, status=400)
        except Busy:
            return _json({"error": gettext("Too many searches at once; trying again.")}, status=429)

    return checked


def _page(site: AdminSite, request: HttpRequest, run: Runtime) -> HttpResponse:
    first, head = rows.line_bounds(run.pk)
    context = {
        **site.each_context(request),
        "title": _("Log of run %(run)s") % {"run": run.pk[:8]},
        "run": run,
        "first": first,
        "head": head,
        "run_json": rows.encode(rows.run_data(run)).decode(),
        "levels": Log.Level.choices,
        "states": State.choices,
    }
    return TemplateResponse(request, "console/log_viewer/page.html", context)


def _lines(request: HttpRequest, run: Runtime) -> HttpResponse:
    """Lines `from`-`to`, or `numbers`, or what follows `after`; fewer when they are long. With the run as it is now."""
    stored = Log.objects.filter(runtime=run).order_by("line_number")
    if "numbers" in request.GET:
        numbers = [_number(text, "numbers") for text in request.GET["numbers"].split(",")[:MOST_LINES]]
        asked = stored.filter(line_number__in=numbers)
    elif "after" in request.GET:
        asked = stored.filter(line_number__gt=_number(request.GET["after"], "after"))
    else:
        low = _number(request.GET.get("from", "1"), "from")
        high = _number(request.GET.get("to", str(low + MOST_LINES)), "to")
        asked = stored.filter(line_number__gte=low, line_number__lte=high)
    first, head = rows.line_bounds(run.pk)
    batch = rows.bounded(rows.line_values(asked)[:MOST_LINES], MOST_LINES)
    about = rows.encode({"first": first, "head": head, "run": rows.run_data(run)})
    lines = b",".join(batch.lines) if batch else b""
    return HttpResponse(about[:-1] + b',"lines":[' + lines + b"]}", content_type="application/json")


def _line(request: HttpRequest, run: Runtime) -> HttpResponse:
    """One line, uncut."""
    number = _number(request.GET.get("n", ""), "n")
    values = rows.line_values(Log.objects.filter(runtime=run, line_number=number)).first()
    if values is None:
        raise Http404(_("Line %(number)s is not stored any more.") % {"number": number})
    return _json(rows.line_data(values, whole=True))


def _matches(request: HttpRequest, run: Runtime) -> HttpResponse:
    """Numbers of the lines that match, in bounded time; `left` says where to go on."""
    wanted = read_filter(request.GET)
    first, head = rows.line_bounds(run.pk)
    low = max(first, _number(request.GET.get("from", "1"), "from"))
    high = min(head, _number(request.GET.get("to", str(head)), "to"))
    span = Span(low, high, request.GET.get("down") == "1")
    found = find_lines(run.pk, wanted, span, limit=MOST_MATCHES)
    left = [found.left.low, found.left.high] if found.left else None
    return _json({"numbers": found.numbers, "left": left, "head": head})


def _counts(_request: HttpRequest, run: Runtime) -> HttpResponse:
    return _json(count_lines(run.pk))


def _locate(request: HttpRequest, run: Runtime) -> HttpResponse:
    """The first line of a time (`at`, milliseconds), or of a `level` or worse behind the line `after`."""
    stored = Log.objects.filter(runtime=run, line_number__isnull=False)
    if "at" in request.GET:
        return _json({"line": _line_at(run.pk, stored, _number(request.GET["at"], "at") / 1000)})
    level, after = _number(request.GET.get("level", "40"), "level"), _number(request.GET.get("after", "0"), "after")
    bad = stored.filter(level__gte=level, line_number__gt=after)
    if level >= BAD:
        bad = bad.filter(level__gte=BAD)
    return _json({"line": bad.order_by("line_number").values_list("line_number", flat=True).first()})


def _line_at(run_id: str, stored: QuerySet[Log], at: float) -> int | None:
    """By halving: lines follow each other in time, apart from a few that several processes wrote at once."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadFilter(_("There is no such time.")) from None
    low, high = rows.line_bounds(run_id)
    if not high:
        return None
    last = high
    times = stored.order_by("line_number").values_list("logged_at", flat=True)
    while low < high:
        middle = (low + high) // 2
        here = times.filter(line_number__gte=middle).first()
        if here is None or here >= moment:
            high = middle
        else:
            low = middle + 1
    return min(low, last)


def _download(request: HttpRequest, run: Runtime) -> Any:
    form = request.GET.get("form", "text")
    if form not in TYPES:
        raise BadFilter(f"There is no form {escape(form[:20])}; there are {' and '.join(TYPES)}.")
    _first, head = rows.line_bounds(run.pk)
    wanted = read_filter(request.GET)
    shown = LineFilter(levels=wanted.levels, loggers=wanted.loggers, fields=wanted.fields)
    low, high = request.GET.get("from", "1"), request.GET.get("to", str(head))
    span = Span(_number(low, "from"), min(head, _number(high, "to")))
    return stream_lines(request, run.pk, f"{run.app.code}-{run.pk[:8]}", shown, span, form)


QUESTIONS: dict[str, _View] = {"matches": _matches, "counts": _counts, "locate": _locate, "download": _download}


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise BadFilter(f"{name} is a whole number; {text[:20]!r} is none.")
    return int(text)


def _json(data: Any, *, status: int = 200) -> HttpResponse:
    return HttpResponse(rows.encode(data), content_type="application/json", status=status)
