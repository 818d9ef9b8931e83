"""The page of an app. It acts on runs, so it lives above `apps/registry` and `apps/runtime`."""

from __future__ import annotations

from typing import Any

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
from apps.console.app_actions import APP_ACTIONS, AppActions
from apps.console.app_filters import ScheduleFilter, StandingFilter
from apps.console.app_form import FIELDSETS, AppForm, time_zone_field
from apps.console.app_page import AppFacts, app_facts, app_page
from apps.console.clock_admin import retheme
from apps.console.selectors import newest_first
from apps.console.start_form import StartForm
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.live import LiveList, live_response
from apps.core.tabs import Tab, Tabbed
from apps.core.templatetags.facts import ago
from apps.registry.admin import GroupFilter
from apps.registry.models import App
from apps.registry.schedules import describe_schedule
from apps.registry.services import change_app
from apps.runtime.failures import NothingToClear, clear_failures
from apps.runtime.lifecycle import cancel_removal
from apps.runtime.models import Command, Runtime, State
from apps.runtime.qualifying import APP_QUALIFIERS
from apps.runtime.services import issue_command

retheme()

#: Verb -> the permission it takes (`apps/accounts/roles.py` says who has it), and what to say when it is done.
VERBS: dict[Command.Verb, tuple[str, Any]] = {
    Command.Verb.START: ("runtime.add_command", _("%(app)s was started.")),
    Command.Verb.STOP: ("runtime.add_command", _("%(app)s was asked to stop.")),
    Command.Verb.RESTART: ("runtime.add_command", _("%(app)s was asked to start anew.")),
    Command.Verb.ENABLE: ("registry.change_app", _("%(app)s was enabled.")),
    Command.Verb.DISABLE: ("registry.change_app", _("%(app)s was disabled.")),
}
#: No commands: the cancellation of a removal (`apps/runtime/lifecycle.py`), and forgetting failures (`failures.py`).
KEEP, CLEAR = "KEEP", "CLEAR"


@admin.register(App)
class AppAdmin(LiveList, Tabbed, AppActions, ModelAdmin[App]):
    """Apps: how each did lately, its schedule and limits, and what one can do with it."""

    live_topic = "apps"
    tab_filter = StandingFilter
    tabs = (Tab("", _("All")), *(Tab(key, title) for key, title in StandingFilter.TITLES.items()))
    empty_hint = _("No app is registered: manage.py startcollector group parent app writes the first one.")

    form = AppForm
    change_form_template = "console/app_change_form.html"
    list_display = ("code", "enabled", "last_state", "last_run", "schedule_text", "next_run", "owner")
    list_filter = (StandingFilter, "is_enabled", ScheduleFilter, GroupFilter)
    list_select_related = ("owner",)
    list_fullwidth = True
    search_fields = ("code", "description")
    qualifiers = APP_QUALIFIERS
    keeps_views = True
    autocomplete_fields = ("owner",)
    readonly_fields = ("parent", "name")
    actions = APP_ACTIONS
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

    @admin.display(description=_("enabled"), ordering="is_enabled")
    def enabled(self, app: App) -> str:
        if app.fatal != App.Fatal.NONE:
            return label(_("on trial") if app.is_enabled else App.Fatal(app.fatal).label, "danger")
        return label(_("enabled"), "success") if app.is_enabled else label(_("disabled"), "default")

    @admin.display(description=_("last state"), ordering="newest_state")
    def last_state(self, app: App) -> str:
        value = app.newest_state  # type: ignore[attr-defined]
        return label(str(State(value).label), State(value).colour) if value else "-"

    @admin.display(description=_("last run"), ordering="newest_at")
    def last_run(self, app: App) -> str:
        return ago(app.newest_at)  # type: ignore[attr-defined]

    @admin.display(description=_("schedule"), ordering="interval_s")
    def schedule_text(self, app: App) -> str:
        return describe_schedule(app)

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_run(self, app: App) -> str:
        return ago(app.next_run_at)

    # -- What one may do -----------------------------------------------------------------------------------------------

    def has_run_permission(self, request: HttpRequest, app: App | None = None) -> bool:
        return may(request.user, VERBS[Command.Verb.START][0], app)

    def has_switch_permission(self, request: HttpRequest, app: App | None = None) -> bool:
        return may(request.user, VERBS[Command.Verb.ENABLE][0], app)

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
            panel = self._panel(request, app)
            context |= {**panel, "app": app, "facts": self._facts(request, app, panel["page"].line.runs)}
        return super().render_change_form(request, context, *args, **kwargs)

    def live_view(self, request: HttpRequest, app_id: int) -> HttpResponse:
        """How the app does: the parts of its page that change by themselves, each at its own pace."""
        app = self._app(request, app_id)
        if request.GET.get("part") == "facts":
            context = {"facts": self._facts(request, app)}
            return live_response(request, TemplateResponse(request, "console/_app_facts.html", context))
        return live_response(request, TemplateResponse(request, "console/_app.html", self._panel(request, app)))

    def command_view(self, request: HttpRequest, app_id: int) -> HttpResponse:
        """One button of the page of an app."""
        app = self._app(request, app_id)
        other = {KEEP: self._keep, CLEAR: self._clear}.get(request.POST.get("verb", ""))
        if other is not None:
            return other(request, app)
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
            self.message_user(request, _("%(code)s is kept; it is disabled.") % {"code": app.code}, messages.SUCCESS)
        else:
            self.message_user(request, _("%(code)s is not going to be removed.") % {"code": app.code}, messages.ERROR)
        return redirect(reverse("admin:registry_app_change", args=[app.pk]))

    def _clear(self, request: HttpRequest, app: App) -> HttpResponse:
        if not self.has_switch_permission(request, app):
            raise PermissionDenied
        issuer: Any = request.user
        try:
            clear_failures(app, source=Command.Source.ADMIN, issuer=issuer, now=utc_now())
        except NothingToClear as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = _("The failures of %(app)s are cleared: they are counted from zero.") % {"app": app.code}
            self.message_user(request, text, messages.SUCCESS)
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
            "title": _("Run %(code)s") % {"code": app.code},
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
            self.message_user(request, VERBS[verb][1] % {"app": app.code}, messages.SUCCESS)
            if verb != Command.Verb.STOP and command.runtime_id:
                return redirect(reverse("admin:runtime_runtime_change", args=[command.runtime_id]))
        return redirect(reverse("admin:registry_app_change", args=[app.pk]))

    def _app(self, request: HttpRequest, app_id: int) -> App:
        app = self.get_object(request, str(app_id))
        if not self.has_view_permission(request, app):
            raise PermissionDenied
        if app is None:
            raise Http404(_("There is no such app."))
        return app

    def _facts(self, request: HttpRequest, app: App, runs: list[Runtime] | None = None) -> AppFacts:
        return app_facts(app, request, runs=runs, now=utc_now())

    def _panel(self, request: HttpRequest, app: App) -> dict[str, Any]:
        return {
            "page": app_page(app, asker=request.user, now=utc_now()),
            "may_run": self.has_run_permission(request, app),
            "may_switch": self.has_switch_permission(request, app),
        }


class BadOrder(Exception):
    """What the form of an app sent is not a command; the message says why."""


def _verb(text: str) -> Command.Verb:
    if text not in Command.Verb.values:
        raise BadOrder(_('"%(text)s" is not something an app can be told to do.') % {"text": text})
    return Command.Verb(text)
