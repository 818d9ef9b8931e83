"""Log lines and how they got here, read-only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from apps.accounts.granted_admin import ReadOnlyAdmin
from apps.accounts.policy import everywhere, narrow
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import number, size
from apps.logs.group_admin import run_line_url
from apps.logs.models import JournalFile, Log, LogRejected, SinkCursor
from apps.logs.query import MEANINGS, BadQuery, parse
from apps.logs.retention_models import SweptTable
from apps.logs.search import Filters, search
from apps.registry.models import App

COLOURS = {
    Log.Level.DEBUG: "default",
    Log.Level.INFO: "info",
    Log.Level.WARNING: "warning",
    Log.Level.ERROR: "danger",
    Log.Level.CRITICAL: "danger",
}


MAY_READ = "logs.view_log"
PAGE = 100
#: A page that takes longer says how far it got instead.
BUDGET_S = 0.8
EXAMPLE = 'level:error app:shop since:2h "connection refused"'
EXAMPLES = ("level:error since:24h", "level:warning app:shop", '"connection refused" since:7d')


def _narrowed(request: HttpRequest, filters: Filters) -> Filters:
    """The search of somebody who may read the lines of some apps only; those of the platform itself are of none."""
    if everywhere(request.user, MAY_READ):
        return filters
    seen = set(narrow(request.user, MAY_READ, App.objects.all()).values_list("pk", flat=True))
    wanted = seen if filters.app_ids is None else seen & set(filters.app_ids)
    return replace(filters, app_ids=tuple(sorted(wanted)))


@admin.register(Log)
class LogAdmin(ReadOnlyAdmin[Log]):
    """The search over all lines in place of a list, and the page of a line."""

    fieldsets = (
        (None, {"fields": ("logged_at", "level_label", "app", "run", "line_number", "message", "exception")}),
        (_("Where it was said"), {"fields": ("logger", "module", "function", "source_line", "thread", "context_json")}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        query, before = request.GET.get("q", "").strip(), request.GET.get("before", "")
        page, problem = None, ""
        try:
            filters = parse(query.replace("\x00", ""), now=utc_now())
            before_id = int(before) if before.isdigit() and len(before) < 19 else None
            page = search(_narrowed(request, filters), before_id=before_id, limit=PAGE, budget_s=BUDGET_S)
        except BadQuery as error:
            problem = str(error)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Log"),
            "opts": self.opts,
            "query": query,
            "before": before,
            "problem": problem,
            "page": page,
            "limit": PAGE,
            "lines": [(line, shown(line), line_url(line)) for line in page.lines] if page else [],
            "qualifiers": MEANINGS.items(),
            "examples": EXAMPLES,
            "example": EXAMPLE,
        }
        return TemplateResponse(request, "logs/search.html", context)

    def get_readonly_fields(self, request: HttpRequest, obj: Log | None = None) -> tuple[str, ...]:
        return ("level_label", "run")

    @admin.display(description=_("level"), ordering="level")
    def level_label(self, line: Log) -> str:
        return label(line.get_level_display(), COLOURS.get(Log.Level(line.level), "default"))

    @admin.display(description=_("run"))
    def run(self, line: Log) -> str:
        if line.runtime_id is None:
            return "-"
        return format_html('<a class="dc-link" href="{}">{}</a>', line_url(line), line.runtime_id[:8])


def shown(line: Log) -> str:
    """A line as the search shows it: message and context, and the end of its traceback, which says what was wrong."""
    first = line.message.partition("\n")[0]
    text = " ".join([first, *(f"{key}={value}" for key, value in line.context_json.items())])
    error = line.exception.strip().rpartition("\n")[2]
    return shortened(f"{text} | {error}" if error else text, 400)


def shortened(text: str, length: int) -> str:
    """At most so many characters."""
    return text if len(text) <= length else f"{text[:length]}…"


def line_url(line: Log) -> str:
    """Where a line is shown: in the log of its run, else on a page of its own."""
    if line.runtime_id is None or line.line_number is None:
        return reverse("admin:logs_log_change", args=[line.pk])
    return run_line_url(line.runtime_id, line.line_number)


@admin.register(SinkCursor)
class SinkCursorAdmin(ReadOnlyAdmin[SinkCursor]):
    """Whether each other sink takes what it is sent, and what it says when it does not."""

    list_display = ("sink", "standing", "journal", "failures", "last_error", "moved_at")
    list_display_links = ("journal",)
    list_filter = ("sink", "is_done", ("last_error", admin.EmptyFieldListFilter))
    list_select_related = ("journal",)
    ordering = ("-failures", "-moved_at", "-pk")

    @admin.display(description=_("state"))
    def standing(self, cursor: SinkCursor) -> str:
        if cursor.last_error:
            return label(_("waiting"), "danger")
        return label(_("done"), "success") if cursor.is_done else label(_("sending"), "info")


class SinkCursorInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    """How far each other sink is."""

    model = SinkCursor
    extra = 0
    can_delete = False
    fields = readonly_fields = ("sink", "offset", "is_done", "failures", "last_error", "moved_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(JournalFile)
class JournalFileAdmin(ReadOnlyAdmin[JournalFile]):
    """How far the journals have been read, and what was wrong with them."""

    list_display = ("path", "role", "node", "seq", "offset", "dropped", "damaged_bytes", "shipped_at", "sealed_at")
    list_filter = ("role", ("sealed_at", admin.EmptyFieldListFilter))
    inlines = (SinkCursorInline,)
    search_fields = ("path", "=runtime__id")


@admin.register(LogRejected)
class LogRejectedAdmin(ReadOnlyAdmin[LogRejected]):
    """Frames that the database refused, kept as they were."""

    list_display = ("rejected_at", "journal", "seq", "kind", "reason")
    list_select_related = ("journal",)
    search_fields = ("reason", "payload")


@admin.register(SweptTable)
class SweptTableAdmin(ReadOnlyAdmin[SweptTable]):
    """What each table costs, what the next sweep deletes, and what the last one did. Measured once a day."""

    list_display = ("name", "rule", "rows", "on_disk", "goes_next", "due_at", "deleted", "swept_at")
    list_fullwidth = True

    def has_view_permission(self, request: HttpRequest, obj: SweptTable | None = None) -> bool:
        return everywhere(request.user, MAY_READ)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=_("rows"), ordering="row_count")
    def rows(self, table: SweptTable) -> str:
        return number(table.row_count)

    @admin.display(description=_("size"), ordering="bytes")
    def on_disk(self, table: SweptTable) -> str:
        return size(table.bytes)

    @admin.display(description=_("goes next"), ordering="due_count")
    def goes_next(self, table: SweptTable) -> str:
        return number(table.due_count)

    @admin.display(description=_("deleted last"), ordering="deleted_count")
    def deleted(self, table: SweptTable) -> str:
        return number(table.deleted_count)
