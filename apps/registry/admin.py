"""Groups and parents. The page of an app acts on runs, so it lives in `apps/console`, above them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.granted_admin import ModelAdmin
from apps.accounts.policy import narrow
from apps.registry.models import App, AppGroup, AppParent


class AppFilter(admin.SimpleListFilter):
    """By app. With more apps than fit a list it offers only the one chosen; search finds apps by their code."""

    title = _("app")
    parameter_name = "app__id__exact"
    MOST = 50

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        seen = narrow(request.user, "registry.view_app", App.objects.all())
        codes = [(str(pk), code) for pk, code in seen.order_by("code").values_list("pk", "code")[: self.MOST + 1]]
        if len(codes) <= self.MOST:
            return codes
        chosen = self.used_parameters.get(self.parameter_name)
        found = seen.filter(pk=int(chosen)).first() if chosen and chosen.isdigit() else None
        return [(str(found.pk), found.code)] if found else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(app_id=value) if value.isdigit() else queryset.none()


class GroupFilter(admin.SimpleListFilter):
    """By group of the app, of those one sees."""

    title = _("group")
    parameter_name = "parent__group__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        groups = narrow(request.user, "registry.view_appgroup", AppGroup.objects.order_by("name"))
        return [(str(group.pk), str(group)) for group in groups]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(parent__group_id=value) if value.isdigit() else queryset.none()


@admin.register(AppGroup)
class AppGroupAdmin(ModelAdmin[AppGroup]):
    list_display = ("name", "title", "parents")
    search_fields = ("name", "title")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppGroup]:
        return super().get_queryset(request).annotate(parent_count=Count("parents"))

    def get_readonly_fields(self, request: HttpRequest, obj: AppGroup | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()  # apps carry the name in their code, and rooms in their folder

    @admin.display(description=_("parents"), ordering="parent_count")
    def parents(self, group: AppGroup) -> int:
        return int(group.parent_count)  # type: ignore[attr-defined]


@admin.register(AppParent)
class AppParentAdmin(ModelAdmin[AppParent]):
    list_display = ("__str__", "title", "group", "apps")
    list_select_related = ("group",)
    list_filter = (("group", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("name", "title", "group__name")
    autocomplete_fields = ("group",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppParent]:
        return super().get_queryset(request).select_related("group").annotate(app_count=Count("apps"))

    def get_readonly_fields(self, request: HttpRequest, obj: AppParent | None = None) -> tuple[str, ...]:
        return ("group", "name") if obj else ()

    @admin.display(description=_("apps"), ordering="app_count")
    def apps(self, parent: AppParent) -> int:
        return int(parent.app_count)  # type: ignore[attr-defined]
