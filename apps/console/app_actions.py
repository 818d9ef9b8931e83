"""What one can do with many apps at once: each entry of the menu draws up a bulk action (`apps/runtime/bulk.py`)."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import may
from apps.registry.models import App
from apps.runtime.bulk_actions import DELETE
from apps.runtime.bulk_lists import APP_COLUMNS, BulkActions
from apps.runtime.bulk_models import BulkJob

Action = BulkJob.Action
APP_ACTIONS = (
    *("start_apps", "stop_apps", "restart_apps", "enable_apps", "disable_apps", "clear_failures"),
    *("change_schedule", "assign_owner", "export_apps", "remove_apps", "keep_apps"),
)


class AppActions(BulkActions):
    """Of the list of apps; the class that has it says who may run and switch."""

    export_columns = APP_COLUMNS

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return may(request.user, DELETE)

    @admin.action(description=_("Run now"), permissions=["run"])
    def start_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.START, apps)

    @admin.action(description=_("Stop"), permissions=["run"])
    def stop_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.STOP, apps)

    @admin.action(description=_("Restart"), permissions=["run"])
    def restart_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.RESTART, apps)

    @admin.action(description=_("Enable"), permissions=["switch"])
    def enable_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.ENABLE, apps)

    @admin.action(description=_("Disable"), permissions=["switch"])
    def disable_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.DISABLE, apps)

    @admin.action(description=_("Clear failure counter"), permissions=["switch"])
    def clear_failures(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.CLEAR, apps)

    @admin.action(description=_("Change schedule"), permissions=["switch"])
    def change_schedule(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.SCHEDULE, apps)

    @admin.action(description=_("Assign owner"), permissions=["switch"])
    def assign_owner(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.OWNER, apps)

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse:
        return self.export(request, apps)

    @admin.action(description=_("Remove"), permissions=["remove"])
    def remove_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.REMOVE, apps)

    @admin.action(description=_("Keep (cancel removal)"), permissions=["switch"])
    def keep_apps(self, request: HttpRequest, apps: QuerySet[App]) -> HttpResponse | None:
        return self.draw_up(request, Action.KEEP, apps)
