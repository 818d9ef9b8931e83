"""The page of a table of collected rows: read-only, current rows first, and which run wrote what.

Every table gets one by itself; a room that wants another look subclasses `TableAdmin` in its own `admin.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from apps.core.admin import ReadOnlyAdmin
from apps.core.templatetags.facts import ago
from apps.records.models import DataTable

#: Columns in a list; the page of a row shows all of its fields.
COLUMNS = 8
LONG = 120


class VersionFilter(admin.SimpleListFilter):
    """Current rows, unless one asks for history."""

    title = _("version")
    parameter_name = "rows"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("archived", _("Archived")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        options = [(None, _("Current")), *self.lookup_choices]
        for value, title in options:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "all":
                return queryset
            case "archived":
                return queryset.filter(archived_at__isnull=False)
        return queryset.filter(archived_at__isnull=True)


class RunFilter(admin.SimpleListFilter):
    """Rows that one run wrote or archived; the page of a run links here."""

    title = _("run")
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        chosen = self.used_parameters.get(self.parameter_name)
        return [(str(chosen), f"touched by {str(chosen)[:8]}")] if chosen else []

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        run = self.value()
        return queryset.filter(Q(runtime=run) | Q(archived_by=run)) if run else queryset


class TableAdmin(ReadOnlyAdmin[DataTable]):
    """Who may see apps may see what they collected; a single table can be granted by its own Django permission."""

    list_filter = (VersionFilter, RunFilter)
    ordering = ("-pk",)
    list_fullwidth = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("registry.view_app")) or super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [*map(_column, self._business_fields()[:COLUMNS]), "run", "archived"]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        kinds = (models.CharField, models.TextField)
        return [field.name for field in self._business_fields() if isinstance(field, kinds)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [
            (None, {"fields": [field.name for field in self._business_fields()]}),
            ("Where it came from", {"fields": ["run", "created_at", "archived_at", "archiving_run", "sha"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own = ["run", "archiving_run", "sha", "archived_at", "created_at"]
        return [*(field.name for field in self._business_fields()), *own]

    def _business_fields(self) -> list[models.Field[Any, Any]]:
        """The natural key first, then the rest in the order of the model."""
        names = set(self.model.hash_fields())
        fields = [field for field in self.model._meta.concrete_fields if field.name in names]
        return sorted(fields, key=lambda field: field.name not in self.model.natural_key)

    @admin.display(description="run")
    def run(self, row: DataTable) -> str:
        return _run_link(row.runtime)

    @admin.display(description="archived by")
    def archiving_run(self, row: DataTable) -> str:
        return _run_link(row.archived_by)

    @admin.display(description="archived", ordering="archived_at")
    def archived(self, row: DataTable) -> str:
        return ago(row.archived_at)


def _column(field: models.Field[Any, Any]) -> Any:
    """The field by name, or shortened when its text may be long."""
    if not isinstance(field, models.TextField | models.JSONField | models.URLField):
        return field.name

    @admin.display(description=str(field.verbose_name), ordering=field.name)
    def shortened(row: DataTable) -> str:
        text = str(getattr(row, field.name) or "-")
        return text if len(text) <= LONG else f"{text[:LONG]}…"

    shortened.__name__ = field.name
    return shortened


def _run_link(run: str) -> str:
    if not run:
        return "-"
    url = reverse("admin:runtime_runtime_change", args=[run])
    return format_html('<a class="dc-link" href="{}">{}</a>', url, run[:8])
