"""The page of an app. It acts on runs, so it lives above `apps/registry` and `apps/runtime`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.granted_admin import ModelAdmin
from apps.accounts.policy import may
from apps.console.app_form import FIELDSETS, AppForm, time_zone_field
from apps.console.clock_admin import retheme
from apps.console.selectors import newest_first, strips
from apps.console.start_form import StartForm
from apps.console.tables import visible_tables
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago
from apps.registry.admin import GroupFilter
from apps.registry.cron import BadSchedule, zone_named
from apps.registry.models import App
from apps.registry.schedules import describe_schedule, next_due_times
from apps.registry.services import change_app
from apps.runtime.lifecycle import cancel_removal
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.services import issue_command
from collectors.discovery import find_rooms, installed_rooms

retheme()

#: Verb -> the permission it takes (`apps/accounts/roles.py` says who has it), and what to say when it is done.
VERBS: dict[Command.Verb, tuple[str, str]] = {
    Command.Verb.START: ("runtime.add_command", "started"),
    Command.Verb.STOP: ("runtime.add_command", "asked to stop"),
    Command.Verb.RESTART: ("runtime.add_command", "asked to start anew"),
    Command.Verb.ENABLE: ("registry.change_app", "enabled"),
    Command.Verb.DISABLE: ("registry.change_app", "disabled"),
}
#: Not a command: the cancellation of a removal (`apps/runtime/lifecycle.py`).
KEEP = "KEEP"
STRIP = 50
DUE_SHOWN = 5


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


def absent(app: App) -> str:
    """Why this process knows no room of the app: it came after the start, or it is not there."""
    if find_rooms(settings.DC_SOURCES_PATH, only=app.code):
        return "It was written after this process was started; start the platform again."
    return "Its room is not on this machine."


@admin.register(App)
class AppAdmin(ModelAdmin[App]):
    """Apps: how each did lately, its schedule and limits, and what one can do with it."""

    form = AppForm
    change_form_template = "console/app_change_form.html"
    list_display = ("code", "enabled", "last_state", "last_run", "schedule_text", "next_run", "owner")
    list_filter = ("is_enabled", ScheduleFilter, GroupFilter)
    list_select_related = ("owner",)
    list_fullwidth = True
    search_fields = ("code", "description")
    autocomplete_fields = ("owner",)
    readonly_fields = ("parent", "name")
    actions = ("start_apps", "stop_apps", "restart_apps", "enable_apps", "disable_apps")
    fieldsets = FIELDSETS

    def get_queryset(self, request: HttpRequest) -> QuerySet[App]:
        last = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at", "-id")
        return newest_first(super().get_queryset(request)).annotate(newest_state=Subquery(last.values("state")[:1]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a room on disk becomes an app by itself; without a room there is nothing to run

    def save_model(self, request: HttpRequest, obj: App, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        # Only what the form shows: the clock and the managers write to the same row meanwhile.
        change_app(obj, now=utc_now(), **{name: form.cleaned_data[name] for name in form.changed_data})

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "time_zone":
            return time_zone_field(db_field)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # -- Columns -------------------------------------------------------------------------------------------------------

    @admin.display(description="enabled", ordering="is_enabled")
    def enabled(self, app: App) -> str:
        if app.fatal != App.Fatal.NONE:
            return label("on trial" if app.is_enabled else App.Fatal(app.fatal).label, "danger")
        return label("enabled", "success") if app.is_enabled else label("disabled", "default")

    @admin.display(description="last state", ordering="newest_state")
    def last_state(self, app: App) -> str:
        value = app.newest_state  # type: ignore[attr-defined]
        return label(str(State(value).label), State(value).colour) if value else "-"

    @admin.display(description="last run", ordering="newest_at")
    def last_run(self, app: App) -> str:
        return ago(app.newest_at)  # type: ignore[attr-defined]

    @admin.display(description="schedule", ordering="interval_s")
    def schedule_text(self, app: App) -> str:
        return describe_schedule(app)

    @admin.display(description="next run", ordering="next_run_at")
    def next_run(self, app: App) -> str:
        return ago(app.next_run_at)

    # -- Actions on many -----------------------------------------------------------------------------------------------

    def has_run_permission(self, request: HttpRequest, app: App | None = None) -> bool:
        return may(request.user, VERBS[Command.Verb.START][0], app)

    def has_switch_permission(self, request: HttpRequest, app: App | None = None) -> bool:
        return may(request.user, VERBS[Command.Verb.ENABLE][0], app)

    @admin.action(description="Run now", permissions=["run"])
    def start_apps(self, request: HttpRequest, apps: QuerySet[App]) -> None:
        self._command_all(request, apps, Command.Verb.START)

    @admin.action(description="Stop", permissions=["run"])
    def stop_apps(self, request: HttpRequest, apps: QuerySet[App]) -> None:
        self._command_all(request, apps, Command.Verb.STOP)

    @admin.action(description="Restart", permissions=["run"])
    def restart_apps(self, request: HttpRequest, apps: QuerySet[App]) -> None:
        self._command_all(request, apps, Command.Verb.RESTART)

    @admin.action(description="Enable", permissions=["switch"])
    def enable_apps(self, request: HttpRequest, apps: QuerySet[App]) -> None:
        self._command_all(request, apps, Command.Verb.ENABLE)

    @admin.action(description="Disable", permissions=["switch"])
    def disable_apps(self, request: HttpRequest, apps: QuerySet[App]) -> None:
        self._command_all(request, apps, Command.Verb.DISABLE)

    def _command_all(self, request: HttpRequest, apps: QuerySet[App], verb: Command.Verb) -> None:
        commands = [self._command(request, app, verb) for app in self.allowed(request, VERBS[verb][0], apps)]
        refused = [command.reason for command in commands if command.state == Command.Progress.NOT_EXECUTED]
        done = len(commands) - len(refused)
        if done:
            text = f"{done} of {len(commands)} apps {VERBS[verb][1]}."
            self.message_user(request, text, messages.WARNING if refused else messages.SUCCESS)
        for reason in refused[:10]:
            self.message_user(request, f"Not {VERBS[verb][1]}: {reason}", messages.ERROR)
        if len(refused) > 10:
            self.message_user(request, f"... and {len(refused) - 10} more; the commands page has all.", messages.ERROR)

    def _command(self, request: HttpRequest, app: App, verb: Command.Verb, **values: Any) -> Command:
        issuer: Any = request.user
        return issue_command(app, verb, source=Command.Source.ADMIN, issuer=issuer, **values)

    # -- The page of an app --------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        live = self.admin_site.admin_view(require_safe(never_cache(self.live_view)))
        command = self.admin_site.admin_view(require_POST(self.command_view))
        start = self.admin_site.admin_view(never_cache(self.start_view))
        return [
            path("<int:app_id>/live/", live, name="registry_app_live"),
            path("<int:app_id>/command/", command, name="registry_app_command"),
            path("<int:app_id>/start/", start, name="registry_app_start"),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        app = kwargs.get("obj")
        if app is not None:
            context |= self._panel(request, app)
        return super().render_change_form(request, context, *args, **kwargs)

    def live_view(self, request: HttpRequest, app_id: int) -> HttpResponse:
        """How the app does: the part of its page that changes by itself."""
        return TemplateResponse(request, "console/_app.html", self._panel(request, self._app(request, app_id)))

    def command_view(self, request: HttpRequest, app_id: int) -> HttpResponse:
        """One button of the page of an app."""
        app = self._app(request, app_id)
        if request.POST.get("verb") == KEEP:
            return self._keep(request, app)
        try:
            verb = _verb(request.POST.get("verb", ""))
        except BadOrder as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(reverse("admin:registry_app_change", args=[app.pk]))
        if not may(request.user, VERBS[verb][0], app):
            raise PermissionDenied
        return self._told(request, app, self._command(request, app, verb))

    def _keep(self, request: HttpRequest, app: App) -> HttpResponse:
        if not self.has_switch_permission(request, app):
            raise PermissionDenied
        issuer: Any = request.user
        if cancel_removal(app, source=Command.Source.ADMIN, issuer=issuer, now=utc_now()):
            self.message_user(request, f"{app.code} is kept; it is disabled.", messages.SUCCESS)
        else:
            self.message_user(request, f"{app.code} is not going to be removed.", messages.ERROR)
        return redirect(reverse("admin:registry_app_change", args=[app.pk]))

    def start_view(self, request: HttpRequest, app_id: int) -> HttpResponse:
        """A run with other arguments than those of the app."""
        app = self._app(request, app_id)
        if not self.has_run_permission(request, app):
            raise PermissionDenied
        form = StartForm(app, request.POST if request.method == "POST" else None)
        if form.is_valid():
            limit, dry_run = form.cleaned_data["limit"], form.cleaned_data["dry_run"]
            command = self._command(request, app, Command.Verb.START, args=form.values, limit=limit, dry_run=dry_run)
            return self._told(request, app, command)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Run {app.code}",
            "opts": self.opts,
            "original": app,
            "app": app,
            "form": form,
        }
        return TemplateResponse(request, "console/start.html", context)

    def _told(self, request: HttpRequest, app: App, command: Command) -> HttpResponse:
        """Say what became of a command, and go where one sees it."""
        verb = Command.Verb(command.verb)
        if command.state in (Command.Progress.NOT_EXECUTED, Command.Progress.EXPIRED):
            self.message_user(request, command.reason, messages.ERROR)
        else:
            self.message_user(request, f"{app.code} was {VERBS[verb][1]}.", messages.SUCCESS)
            if verb != Command.Verb.STOP and command.runtime_id:
                return redirect(reverse("admin:runtime_runtime_change", args=[command.runtime_id]))
        return redirect(reverse("admin:registry_app_change", args=[app.pk]))

    def _app(self, request: HttpRequest, app_id: int) -> App:
        app = self.get_object(request, str(app_id))
        if not self.has_view_permission(request, app):
            raise PermissionDenied
        if app is None:
            raise Http404("There is no such app.")
        return app

    def _panel(self, request: HttpRequest, app: App) -> dict[str, Any]:
        line = strips([app], STRIP)[0]
        error = next((room.import_error for room in installed_rooms() if room.room.info.code == app.code), None)
        return {
            "app": app,
            "line": line,
            "live_runs": [run for run in line.runs if run.state in (State.QUEUED, *LIVE)],
            "room_error": error if error is not None else absent(app),
            "schedule": describe_schedule(app),
            "due": _due_times(app),
            "tables": visible_tables(request, only_app=app.code),
            "may_run": self.has_run_permission(request, app),
            "may_switch": self.has_switch_permission(request, app),
            "measured_at": utc_now(),
        }


class BadOrder(Exception):
    """What the form of an app sent is not a command; the message says why."""


def _verb(text: str) -> Command.Verb:
    if text not in Command.Verb.values:
        raise BadOrder(f'"{text}" is not something an app can be told to do.')
    return Command.Verb(text)


def _due_times(app: App) -> list[str]:
    """The next due times as the clock on the wall of the app's zone shows them; none while its schedule is wrong."""
    try:
        due = next_due_times(app, after=utc_now(), count=DUE_SHOWN)
        zone = zone_named(app.time_zone)
    except BadSchedule:
        return []
    return [f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S}" for moment in due]
