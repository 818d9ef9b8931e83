"""The periodic tasks of django-celery-beat, with the theme, and with permissions on their actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_celery_beat.admin as beat
from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.granted_admin import ModelAdmin

if TYPE_CHECKING:
    _Tasks = ModelAdmin[Any]
    _Schedules = ModelAdmin[Any]
    _TaskForm: Any
    _TaskSelect: Any
else:
    _TaskForm, _TaskSelect = beat.PeriodicTaskForm, beat.TaskSelectWidget

    class _Tasks(beat.PeriodicTaskAdmin, ModelAdmin):
        pass

    class _Schedules(beat.ScheduleAdmin, ModelAdmin):
        pass


class TaskSelect(UnfoldAdminSelectWidget, _TaskSelect):  # type: ignore[misc]
    """The choice of registered tasks."""


class TaskForm(_TaskForm):  # type: ignore[misc]
    """The form of a periodic task."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Missing for those who may only look.
        if "task" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
        if "regtask" in self.fields:
            self.fields["regtask"].widget = TaskSelect()


class PeriodicTaskAdmin(_Tasks):
    form = TaskForm

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # django-celery-beat offers its actions, running a task among them, to everybody who may look.
        return super().get_actions(request) if self.has_change_permission(request) else {}


class ScheduleAdmin(_Schedules):
    inlines = ()


class CrontabAdmin(ScheduleAdmin):
    list_display = ("__str__", "human_readable")
    fields = ("human_readable", "minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")
    readonly_fields = ("human_readable",)


def retheme() -> None:
    """Replace the pages that django-celery-beat registered."""
    pages: dict[Any, type[ModelAdmin[Any]]] = {
        PeriodicTask: PeriodicTaskAdmin,
        CrontabSchedule: CrontabAdmin,
        IntervalSchedule: ScheduleAdmin,
        ClockedSchedule: ScheduleAdmin,
        SolarSchedule: ScheduleAdmin,
    }
    for model, page in pages.items():
        admin.site.unregister(model)
        admin.site.register(model, page)
