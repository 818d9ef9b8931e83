"""The periodic tasks of django-celery-beat, with the theme, and with permissions on their actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_celery_beat.admin as beat
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin
from apps.console.clock_services import CannotRun, run_now, switch_tasks
from apps.core.clock import utc_now

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
    # Theirs holds a script in the page, to translate a crontab as it is chosen; the row below it says the same.
    change_form_template = "admin/change_form.html"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # django-celery-beat offers its actions, running a task among them, to everybody who may look.
        return super().get_actions(request) if self.has_change_permission(request) else {}

    @admin.action(description=_("Enable"))
    def enable_tasks(self, request: HttpRequest, tasks: QuerySet[PeriodicTask]) -> None:
        self._switch(request, tasks, is_enabled=True)

    @admin.action(description=_("Disable"))
    def disable_tasks(self, request: HttpRequest, tasks: QuerySet[PeriodicTask]) -> None:
        self._switch(request, tasks, is_enabled=False)

    @admin.action(description=_("Enable those that are disabled, and the other way round"))
    def toggle_tasks(self, request: HttpRequest, tasks: QuerySet[PeriodicTask]) -> None:
        on, off = ([task.pk for task in tasks if task.enabled is each] for each in (True, False))
        self._switch(request, PeriodicTask.objects.filter(pk__in=on), is_enabled=False)
        self._switch(request, PeriodicTask.objects.filter(pk__in=off), is_enabled=True)

    @admin.action(description=_("Run now"))
    def run_tasks(self, request: HttpRequest, tasks: QuerySet[PeriodicTask]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        try:
            count = run_now(tasks, actor=actor, source=ADMIN, now=utc_now())
        except CannotRun as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("%(count)s sent to the workers.") % {"count": count}, messages.SUCCESS)

    def _switch(self, request: HttpRequest, tasks: QuerySet[PeriodicTask], *, is_enabled: bool) -> None:
        actor: Any = request.user
        count = switch_tasks(tasks, is_enabled=is_enabled, actor=actor, source=ADMIN, now=utc_now())
        if count:
            self.message_user(request, f"{count} {'enabled' if is_enabled else 'disabled'}.", messages.SUCCESS)


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
