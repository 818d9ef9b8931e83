"""Watched functions: the slowest, the trend of each, the call tree of a run. Who may see runs may see these."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from apps.accounts.granted_admin import ReadOnlyAdmin
from apps.accounts.policy import may, narrow
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, moment, number
from apps.registry.admin import AppFilter
from apps.runtime.call_tree import call_tree
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.function_pages import function_page
from apps.runtime.models import Runtime
from apps.runtime.templatetags.functions import ms

MAY_SEE = "runtime.view_runtime"


class SeenFilter(admin.SimpleListFilter):
    """Functions that ran lately."""

    title = _("last seen")
    parameter_name = "seen"
    SPANS = {"24h": (_("Last 24 hours"), 1), "7d": (_("Last 7 days"), 7), "30d": (_("Last 30 days"), 30)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(key, title) for key, (title, _days) in self.SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in self.SPANS:
            return queryset
        return queryset.filter(last_seen_at__gte=utc_now() - timedelta(days=self.SPANS[value][1]))


class FiguresAdmin(ReadOnlyAdmin[Any]):
    """The columns that a function has over all runs and in one."""

    list_fullwidth = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may(request.user, MAY_SEE, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=_("calls"), ordering="calls")
    def call_count(self, row: AppFunction | FunctionLog) -> str:
        return number(row.calls)

    @admin.display(description=_("errors"), ordering="errors")
    def error_count(self, row: AppFunction | FunctionLog) -> str:
        return label(number(row.errors), "danger") if row.has_failed else "0"

    @admin.display(description=_("total"), ordering="total_ms")
    def total(self, row: AppFunction | FunctionLog) -> str:
        return ms(row.total_ms)

    @admin.display(description=_("mean"), ordering="mean_ms")
    def mean(self, row: AppFunction | FunctionLog) -> str:
        return ms(row.mean_ms)

    @admin.display(description="p50", ordering="p50_ms")
    def p50(self, row: AppFunction | FunctionLog) -> str:
        return ms(row.p50_ms)

    @admin.display(description="p95", ordering="p95_ms")
    def p95(self, row: AppFunction | FunctionLog) -> str:
        return ms(row.p95_ms)

    @admin.display(description=_("slowest"), ordering="max_ms")
    def slowest(self, row: AppFunction | FunctionLog) -> str:
        return ms(row.max_ms)


@admin.register(AppFunction)
class AppFunctionAdmin(FiguresAdmin):
    """All functions over all runs, slowest first, and the page of one."""

    list_display = (
        *("qualified_name", "app", "run_count", "call_count", "error_count", "total"),
        *("mean", "p50", "p95", "slowest", "last_seen"),
    )
    list_filter = (SeenFilter, AppFilter, "has_failed")
    list_select_related = ("app",)
    search_fields = ("qualified_name", "module", "app__code")
    search_help_text = _("Words of the function's name, its module, or an app code")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppFunction]:
        functions = AppFunction.objects.defer("sketch", "last_error").order_by("-total_ms", "-id")
        return narrow(request.user, MAY_SEE, functions)

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen(self, function: AppFunction) -> str:
        return ago(function.last_seen_at)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = narrow(request.user, MAY_SEE, AppFunction.objects.select_related("app").defer("sketch"))
        function = found.filter(pk=object_id).first() if object_id and object_id.isdigit() else None
        if function is None:
            raise Http404(_("There is no such function; its app may have been deleted."))
        context = {
            **self.admin_site.each_context(request),
            "title": function.qualified_name,
            "opts": self.opts,
            "original": function,
            "page": function_page(function),
        }
        return TemplateResponse(request, "runtime/functions/function.html", context)


@admin.register(FunctionLog)
class FunctionLogAdmin(FiguresAdmin):
    """Functions in single runs, and the call tree of a run."""

    list_display = (
        *("function", "run", "call_count", "error_count", "total", "mean", "p50", "p95", "slowest"),
        *("solved_failed", "began"),
    )
    list_display_links = ("function",)
    list_filter = ("has_failed",)
    search_fields = ("=runtime__id",)
    search_help_text = _("The whole id of a run")
    fieldsets = (
        (None, {"fields": ("function_link", "run", "parent", "first_start_at", "last_end_at")}),
        (_("Calls"), {"fields": ("calls", "errors", "last_error", "task_size", "solved", "failed")}),
        (_("Time"), {"fields": ("total", "mean", "p50", "p95", "fastest", "slowest")}),
    )
    readonly_fields = ("function_link", "run", "total", "mean", "p50", "p95", "fastest", "slowest")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FunctionLog]:
        joined = narrow(request.user, MAY_SEE, FunctionLog.objects.select_related("function", "parent"))
        return joined.defer("sketch", "callers", "function__sketch", "parent__sketch")

    def get_sortable_by(self, request: HttpRequest) -> Any:
        # Sorting those of one run is cheap; sorting millions of rows of all runs by a figure is not.
        return self.list_display if request.GET.get("q") else ()

    @admin.display(description=_("run"))
    def run(self, log: FunctionLog) -> str:
        url = reverse("admin:runtime_functionlog_tree", args=[log.runtime_id])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, log.runtime_id[:8])

    @admin.display(description=_("function"))
    def function_link(self, log: FunctionLog) -> str:
        url = reverse("admin:runtime_appfunction_change", args=[log.function_id])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, log.function.qualified_name)

    @admin.display(description=_("solved / failed"))
    def solved_failed(self, log: FunctionLog) -> str:
        return f"{number(log.solved)} / {number(log.failed)}"

    @admin.display(description=_("first start"), ordering="first_start_at")
    def began(self, log: FunctionLog) -> str:
        return moment(log.first_start_at)

    @admin.display(description=_("fastest"))
    def fastest(self, log: FunctionLog) -> str:
        return ms(log.min_ms)

    def get_urls(self) -> list[URLPattern]:
        tree = self.admin_site.admin_view(require_safe(self.tree_view))
        return [path("tree/<str:run_id>/", tree, name="runtime_functionlog_tree"), *super().get_urls()]

    def tree_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """The call tree of a run."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = narrow(request.user, MAY_SEE, Runtime.objects.select_related("app")).filter(pk=run_id).first()
        if run is None:
            raise Http404(_("There is no such run; its app may have been deleted."))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Call tree of run %(run)s") % {"run": run.pk[:8]},
            "opts": self.opts,
            "tree": call_tree(run),
        }
        return TemplateResponse(request, "runtime/functions/tree.html", context)
