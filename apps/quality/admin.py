"""Datasets with their verdicts and trends, and the rules of this installation."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin
from apps.core.admin import ReadOnlyAdmin, coloured
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, legible, number
from apps.quality.forms import RuleForm
from apps.quality.models import Dataset, Outcome, QuarantinedRow, Rule
from apps.quality.pages import dataset_page
from apps.quality.services import let_through
from apps.quality.sparkline import sparkline
from apps.quality.templatetags.quality import share

MAY_LET_THROUGH = "quality.add_letthrough"


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin[Dataset]):
    """The tables of collected rows, and the page of one."""

    list_display = ("label", "of_app", "verdict", "why", "rows", "complete", "held", "stored")
    list_filter = ("outcome",)
    list_select_related = ("app",)
    list_fullwidth = True
    search_fields = ("label", "app__code")
    search_help_text = _("The label of a model, or an app code")

    verdict = coloured("outcome", Outcome, _("last verdict"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        waiting = Count("quarantined_rows", filter=Q(quarantined_rows__state=QuarantinedRow.State.HELD))
        return super().get_queryset(request).annotate(held_count=waiting)

    @admin.display(description=_("app"), ordering="app__code")
    def of_app(self, row: Dataset) -> str:
        if row.app is None:
            return "-"
        return format_html('<a class="dc-link" href="{}">{}</a>', _app(row), row.app.code)

    @admin.display(description=_("why"))
    def why(self, row: Dataset) -> str:
        if not row.cause:
            return "-"
        return format_html('<span class="dc-cause" title="{0}">{0}</span>', legible(row.cause, 300))

    @admin.display(description=_("rows"))
    def rows(self, row: Dataset) -> str:
        return sparkline(row.trend)

    @admin.display(description=_("complete"), ordering="completeness")
    def complete(self, row: Dataset) -> str:
        return "-" if row.completeness is None else share(row.completeness)

    @admin.display(description=_("held"), ordering="held_count")
    def held(self, row: Any) -> str:
        if not row.held_count:
            return "0"
        return format_html('<a class="dc-link" href="{}">{}</a>', quarantine_url(row), number(row.held_count))

    @admin.display(description=_("stored"), ordering="good_at")
    def stored(self, row: Dataset) -> str:
        return ago(row.good_at) if row.good_at else gettext("never")

    # -- The page of a dataset ---------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.let_through_view))
        return [path("<int:dataset_id>/let-through/", view, name="quality_dataset_let_through"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        dataset = self._dataset(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": dataset.label,
            "opts": self.opts,
            "original": dataset,
            "page": dataset_page(dataset, now=utc_now()),
            "quarantine_url": quarantine_url(dataset),
            "may_let_through": request.user.has_perm(MAY_LET_THROUGH),
        }
        return TemplateResponse(request, "quality/dataset.html", context)

    def let_through_view(self, request: HttpRequest, dataset_id: int) -> HttpResponse:
        """Have the next merge pass."""
        dataset = self._dataset(request, str(dataset_id))
        if not request.user.has_perm(MAY_LET_THROUGH):
            raise PermissionDenied
        actor: Any = request.user  # a User: admin_view lets nobody else in
        let_through(dataset.label, actor=actor, source=ADMIN, now=utc_now())
        said = gettext("The next merge into %(dataset)s is let through, whatever the rules about merges say.")
        said = said % {"dataset": dataset.label}
        self.message_user(request, said, messages.SUCCESS)
        return redirect(reverse("admin:quality_dataset_change", args=[dataset.pk]))

    def _dataset(self, request: HttpRequest, dataset_id: str | None) -> Dataset:
        if not self.has_view_permission(request):
            raise PermissionDenied
        pk = int(dataset_id) if dataset_id and dataset_id.isdigit() and len(dataset_id) < 19 else 0
        found = self.get_queryset(request).select_related("app").filter(pk=pk).first()
        if found is None:
            raise Http404(_("There is no such dataset; nothing has been merged into it."))
        return found


@admin.register(Rule)
class RuleAdmin(ModelAdmin[Rule]):
    """What this installation adds to the rules of its rooms."""

    form = RuleForm
    list_display = ("title", "label", "kind", "severity_label", "given", "is_enabled")
    list_filter = ("kind", "severity", "is_enabled")
    search_fields = ("label", "name", "kind")

    severity_label = coloured("severity", Rule.Severity, _("when broken"))

    @admin.display(description=_("rule"))
    def title(self, row: Rule) -> str:
        return str(row)

    @admin.display(description=_("parameters"))
    def given(self, row: Rule) -> str:
        return legible(", ".join(f"{name} {value}" for name, value in row.parameters.items()), 200) or "-"


def quarantine_url(dataset: Dataset) -> str:
    """Where the rows of a dataset that wait are listed."""
    return f"{reverse('admin:quality_quarantinedrow_changelist')}?dataset__id__exact={dataset.pk}"


def _app(row: Dataset) -> str:
    return reverse("admin:registry_app_change", args=[row.app_id])
