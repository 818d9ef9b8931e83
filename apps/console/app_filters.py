"""What the list of apps is filtered by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.registry.models import App
from apps.runtime.models import LIVE, Runtime, State


class StandingFilter(admin.SimpleListFilter):
    """How an app stands; the tabs above the list."""

    title = _("standing")
    parameter_name = "standing"
    TITLES = {
        "running": _("Queued or running"),
        "failing": _("Failing"),
        "fatal": _("Disabled by the platform"),
        "enabled": _("Enabled"),
        "disabled": _("Disabled"),
        "silent": _("Never ran"),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return self.TITLES.items()

    def queryset(self, request: HttpRequest, queryset: QuerySet[App]) -> QuerySet[App]:
        match self.value():
            case "running":
                return queryset.filter(pk__in=Runtime.objects.filter(state__in=(State.QUEUED, *LIVE)).values("app"))
            case "failing":
                return queryset.filter(failures_in_a_row__gt=0)
            case "fatal":
                return queryset.exclude(fatal=App.Fatal.NONE)
            case "enabled":
                return queryset.filter(is_enabled=True)
            case "disabled":
                return queryset.filter(is_enabled=False)
            case "silent":
                return queryset.filter(~Exists(Runtime.objects.filter(app=OuterRef("pk"))))
        return queryset


class ScheduleFilter(admin.SimpleListFilter):
    """Whether the clock starts it."""

    title = _("clock")
    parameter_name = "scheduled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("yes", _("Started by the clock")), ("no", _("Started by hand"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[App]) -> QuerySet[App]:
        match self.value():
            case "yes":
                return queryset.filter(is_enabled=True, next_run_at__isnull=False)
            case "no":
                return queryset.filter(next_run_at__isnull=True)
        return queryset
