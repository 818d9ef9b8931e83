"""The pages of a table of collected rows: read-only, now or as of a moment, with every version of a row, and exports.

Every table gets them by itself; a room that wants another look subclasses `TableAdmin` in its own `admin.py`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.audit import record
from apps.accounts.policy import may
from apps.core.admin import ReadOnlyAdmin
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, legible
from apps.records.exports.streaming import FORMS, stream
from apps.records.filters import AS_OF, AT, RunFilter, VersionFilter, field_filters
from apps.records.models import DataTable
from apps.records.row_list import RowChangeList, TablePaginator, may_see_runs
from apps.records.rows import business_fields
from apps.records.selectors import Eras, RunMention, app_code, eras, mentions

MAY_LOOK = "registry.view_app"
MAY_EXPORT = "registry.export_app"
#: Columns in a list; the page of a row shows all of its fields.
COLUMNS = 8
LONG = 120
#: Versions on the page of a row; a link leads to older ones.
VERSIONS = 30
BEHIND = "versions_behind"
MOST_DIGITS = 18

#: Form of an export -> what it is called in the list of forms.
FORM_TITLES = {"csv": "CSV", "csv-excel": _("CSV for Excel"), "jsonl": "JSONL", "xlsx": "XLSX"}


class TableAdmin(ReadOnlyAdmin[DataTable]):
    """Who may see apps may see what they collected; a single table can be granted by its own Django permission."""

    ordering = ("-pk",)
    list_fullwidth = True
    paginator = TablePaginator
    list_before_template = "records/list_before.html"
    change_form_template = "records/row.html"

    class Media:
        css = {"all": ("records/rows.css",)}

    # -- Who may see and take ------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, MAY_LOOK, app_code(self.model)) or super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether this person may take the rows away as a file."""
        return self.has_view_permission(request) and may(request.user, MAY_EXPORT, app_code(self.model))

    # -- The list ------------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowChangeList

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        chosen = [each for each in self.list_filter if each not in (VersionFilter, RunFilter)]
        return [VersionFilter, RunFilter, *(chosen or field_filters(self.model))]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Of two names that are not fields the list takes care itself.
        return lookup in (AS_OF, AT) or super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "may_export": self.has_export_permission(request),
            "export_url": reverse(f"admin:{self._url_name}_export"),
            "forms": FORM_TITLES.items(),
            "zone": timezone.get_current_timezone_name(),
            "today": timezone.localdate().isoformat(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [*map(_column, self._shown_fields()[:COLUMNS]), "run", "archived"]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        kinds = (models.CharField, models.TextField)
        return [field.name for field in self._shown_fields() if isinstance(field, kinds)]

    @admin.display(description=_("run"))
    def run(self, row: DataTable) -> str:
        if not getattr(row, "is_run_kept", False):
            return row.runtime[:8] or "-"
        url = reverse("admin:runtime_runtime_change", args=[row.runtime])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, row.runtime[:8])

    @admin.display(description=_("archived"), ordering="archived_at")
    def archived(self, row: DataTable) -> str:
        return ago(row.archived_at)

    # -- The page of a row ---------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [(None, {"fields": [*(field.name for field in self._shown_fields()), "sha"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(field.name for field in self._shown_fields()), "sha"]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            behind = request.GET.get(BEHIND, "")
            is_number = behind.isascii() and behind.isdigit() and len(behind) <= MOST_DIGITS
            found = eras(row, most=VERSIONS, behind=int(behind) if is_number else None)
            runs = self._named_runs(request, found)
            context |= {
                "row": row,
                "eras": [
                    (era, runs.get(era.version.written_by), runs.get(era.version.archived_by)) for era in found.shown
                ],
                "key": [(name, getattr(row, name)) for name in row.natural_key],
                "older": f"?{BEHIND}={found.older}" if found.older is not None else "",
                "is_newest": not is_number,
                "list_url": reverse(f"admin:{self._url_name}_changelist"),
                "change_view": f"admin:{self._url_name}_change",
            }
        return super().render_change_form(request, context, *args, **kwargs)

    # -- Export --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/", export, name=f"{self._url_name}_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list that the query of the address describes, all of it, as a file."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        form = request.POST.get("form", "")
        there = reverse(f"admin:{self._url_name}_changelist")
        query = request.GET.urlencode()
        if form not in FORMS:
            self.message_user(
                request,
                _('There is no form "%(form)s"; there are %(forms)s.') % {"form": form[:20], "forms": ", ".join(FORMS)},
                "error",
            )
            return redirect(f"{there}?{query}")
        try:
            shown = self.get_changelist_instance(request)
        except (IncorrectLookupParameters, OverflowError):
            return redirect(f"{there}?{ERROR_FLAG}=1")
        if not isinstance(shown, RowChangeList) or shown.problems:
            return redirect(f"{there}?{query}")
        now = utc_now()
        asked = {name: value for name, value in shown.params.items() if name not in (AS_OF, AT)}
        moment = shown.moment.isoformat() if shown.moment else ""
        person: Any = request.user  # a User: admin_view lets nobody else in
        record(
            "rows.exported",
            self.opts.label,
            source="ADMIN",
            actor=person,
            now=now,
            form=form,
            as_of=moment,
            asked=asked,
        )
        return stream(request, shown.queryset, FORMS[form], f"{self._url_name}-{now:%Y%m%dT%H%M%SZ}")

    # -- Inner ---------------------------------------------------------------------------------------------------------

    @property
    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _named_runs(self, request: HttpRequest, found: Eras) -> dict[str, RunMention]:
        """The runs of these versions, with what this person may know of them."""
        versions = [era.version for era in found.shown]
        runs = {run for version in versions for run in (version.written_by, version.archived_by) if run}
        if may_see_runs(request, self.model):
            return mentions(runs)
        return {run: RunMention(id=run, is_kept=None) for run in runs}

    def _shown_fields(self) -> list[models.Field[Any, Any]]:
        """The natural key first, then the rest in the order of the model."""
        return sorted(business_fields(self.model), key=lambda field: field.name not in self.model.natural_key)


def _column(field: models.Field[Any, Any]) -> Any:
    """The field by name, or shortened when its text may be long."""
    if not isinstance(field, models.TextField | models.JSONField | models.URLField):
        return field.name

    @admin.display(description=field.verbose_name, ordering=field.name)
    def shortened(row: DataTable) -> str:
        text = legible(getattr(row, field.name) or "-", LONG + 1)
        return text if len(text) <= LONG else f"{text[:LONG]}…"

    shortened.__name__ = field.name
    return shortened


from apps.records import quarantine_admin  # noqa: E402, F401 - the page registers itself
