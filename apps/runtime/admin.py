"""Runs and commands, read-only; a run can be stopped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.granted_admin import ReadOnlyAdmin
from apps.accounts.policy import may
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.live import LiveList, live_response
from apps.core.tabs import Tab, Tabbed
from apps.core.templatetags.facts import ago, moment, number
from apps.registry.admin import AppFilter
from apps.runtime.bulk_lists import RUN_COLUMNS, BulkActions
from apps.runtime.bulk_models import BulkJob
from apps.runtime.comparing import compare_runs
from apps.runtime.models import LIVE, Command, Runtime, State
from apps.runtime.pages import run_page
from apps.runtime.qualifying import RUN_QUALIFIERS
from apps.runtime.searching import Searched, SearchedByIndex
from apps.runtime.services import issue_command
from apps.runtime.templatetags.runs import took

MAY_COMMAND = "runtime.add_command"
#: States that have a tab of their own; the filter beside the list has all.
SHOWN_ALONE = (State.SUCCEEDED, State.FAILED, State.STOPPED, State.SKIPPED, State.CANCELLED)


class StateFilter(admin.SimpleListFilter):
    """By state, or by what one usually means: live, or gone wrong."""

    title = _("state")
    parameter_name = "state"
    GROUPS = {
        "live": (_("Queued or live"), (State.QUEUED, *LIVE)),
        "wrong": (_("Gone wrong"), (State.FAILED, State.CRASHED, State.TIMED_OUT)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [*((key, label) for key, (label, _states) in self.GROUPS.items()), *State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value in self.GROUPS:
            return queryset.filter(state__in=self.GROUPS[value][1])
        return queryset.filter(state=value)


@admin.register(Runtime)
class RuntimeAdmin(SearchedByIndex, LiveList, Tabbed, BulkActions, ReadOnlyAdmin[Runtime]):
    """The list of runs, and the page of a run."""

    live_topic = "runs"
    tab_filter = StateFilter
    tabs = (
        Tab("", _("All")),
        *(Tab(key, label) for key, (label, _states) in StateFilter.GROUPS.items()),
        *(Tab(state.value, state.label) for state in SHOWN_ALONE),
    )
    empty_hint = _("There was no run yet: open an app and press Run now, or give it a schedule.")

    list_display = ("short_id", "state_label", "app", "queued", "took", "numbers", "why")
    list_filter = (StateFilter, AppFilter, "trigger")
    list_fullwidth = True
    search_fields = ("id__startswith", "app__code", "cause")
    search_help_text = _("The id of a run, an app code, or words of the cause")
    qualifiers = RUN_QUALIFIERS
    keeps_views = True
    searched = Searched("cause", "queued_at", has_hex_id=True)
    actions = ("stop_runs", "run_again", "export_runs")
    export_columns = RUN_COLUMNS

    state_label = coloured("state", State)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Runtime]:
        return super().get_queryset(request).select_related("app", "owner")

    def has_command_permission(self, request: HttpRequest) -> bool:
        return may(request.user, MAY_COMMAND)

    @admin.display(description=_("run"))
    def short_id(self, run: Runtime) -> str:
        return run.pk[:8]

    @admin.display(description=_("queued"), ordering="queued_at")
    def queued(self, run: Runtime) -> str:
        return ago(run.queued_at)

    @admin.display(description=_("took"))
    def took(self, run: Runtime) -> str:
        return took(run)

    @admin.display(description=_("seen / inserted / archived / unchanged"))
    def numbers(self, run: Runtime) -> str:
        counts = (run.rows_seen, run.rows_inserted, run.rows_archived, run.rows_unchanged)
        return format_html('<span class="dc-numbers">{}</span>', " / ".join(map(number, counts)))

    @admin.display(description=_("cause"))
    def why(self, run: Runtime) -> str:
        if not run.cause:
            return "-"
        return format_html('<span class="dc-cause" title="{}">{}</span>', run.cause, run.cause[:200])

    @admin.action(description=_("Stop"), permissions=["command"])
    def stop_runs(self, request: HttpRequest, runs: QuerySet[Runtime]) -> HttpResponse | None:
        return self.draw_up(request, BulkJob.Action.STOP_RUN, runs)

    @admin.action(description=_("Run again"), permissions=["command"])
    def run_again(self, request: HttpRequest, runs: QuerySet[Runtime]) -> HttpResponse | None:
        return self.draw_up(request, BulkJob.Action.RUN_AGAIN, runs)

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_runs(self, request: HttpRequest, runs: QuerySet[Runtime]) -> HttpResponse:
        return self.export(request, runs)

    def _stop(self, request: HttpRequest, run: Runtime) -> Command:
        issuer: Any = request.user  # a User: admin_view lets nobody else in
        return issue_command(run.app, Command.Verb.STOP, source=Command.Source.ADMIN, issuer=issuer, runtime=run)

    # -- The page of a run ---------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        live = self.admin_site.admin_view(require_safe(never_cache(self.live_view)))
        stop = self.admin_site.admin_view(require_POST(self.stop_view))
        compare = self.admin_site.admin_view(require_safe(self.compare_view))
        return [
            path("<str:run_id>/compare/", compare, name="runtime_runtime_compare"),
            path("<str:run_id>/live/", live, name="runtime_runtime_live"),
            path("<str:run_id>/stop/", stop, name="runtime_runtime_stop"),
            *super().get_urls(),
        ]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self._run(request, object_id)
        context = {**self._framed(request, run, f"Run {run.pk[:8]}"), **self._panel(request, run)}
        return TemplateResponse(request, "runtime/run.html", context)

    def live_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """The part of the page that changes while the run is live."""
        context = self._panel(request, self._run(request, run_id))
        return live_response(request, TemplateResponse(request, "runtime/_run.html", context))

    def compare_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """The run beside another one of its app: the one before it, or the one that `with` names."""
        run = self._run(request, run_id)
        wanted = request.GET.get("with", "").strip()
        context = {
            **self._framed(request, run, _("Run %(id)s beside another") % {"id": run.pk[:8]}),
            "page": compare_runs(run, wanted=wanted, asker=request.user),
            "wanted": wanted,
        }
        return TemplateResponse(request, "runtime/compare.html", context)

    def _framed(self, request: HttpRequest, run: Runtime, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "original": run}

    def _panel(self, request: HttpRequest, run: Runtime) -> dict[str, Any]:
        return {"page": run_page(run, request, now=utc_now()), "may_stop": may(request.user, MAY_COMMAND, run)}

    def stop_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        run = self._run(request, run_id)
        if not may(request.user, MAY_COMMAND, run):
            raise PermissionDenied
        command = self._stop(request, run)
        if command.state == Command.Progress.NOT_EXECUTED:
            self.message_user(request, command.reason, messages.WARNING)
        else:
            self.message_user(
                request,
                _("Asked run %(run)s of %(app)s to stop.") % {"run": run.pk[:8], "app": run.app.code},
                messages.SUCCESS,
            )
        return redirect(reverse("admin:runtime_runtime_change", args=[run.pk]))

    def _run(self, request: HttpRequest, run_id: str | None) -> Runtime:
        run = self.get_queryset(request).filter(pk=run_id).first()
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            raise Http404(_("There is no such run; its app may have been deleted."))
        return run


@admin.register(Command)
class CommandAdmin(SearchedByIndex, LiveList, ReadOnlyAdmin[Command]):
    """Who asked for what, and what became of it."""

    live_topic = "commands"
    list_display = (
        *("created", "verb_label", "app", "sequence", "state_label", "issued_by", "source_label", "reason", "run"),
        *("deadline", "finished"),
    )
    list_filter = ("verb", "state", "source", AppFilter)
    list_fullwidth = True
    list_select_related = ("app", "issuer")
    search_fields = ("app__code", "reason", "issuer__username")
    searched = Searched("reason", "created_at", people="issuer_id")
    keeps_views = True
    fields = (
        *("app", "verb_label", "sequence", "state_label", "reason", "issuer", "source_label", "args", "limit"),
        *("is_dry_run", "run", "idempotency_key", "created_at", "deadline_at", "claimed_at", "claimed_by"),
        "finished_at",
    )
    readonly_fields = ("verb_label", "state_label", "source_label", "run")

    verb_label = coloured("verb", Command.Verb)
    state_label = coloured("state", Command.Progress)
    source_label = coloured("source", Command.Source)

    @admin.display(description=_("deadline"), ordering="deadline_at")
    def deadline(self, command: Command) -> str:
        return moment(command.deadline_at)

    @admin.display(description=_("done"), ordering="finished_at")
    def finished(self, command: Command) -> str:
        return moment(command.finished_at)

    @admin.display(description=_("when"), ordering="created_at")
    def created(self, command: Command) -> str:
        return moment(command.created_at)

    @admin.display(description=_("issued by"), ordering="issuer")
    def issued_by(self, command: Command) -> str:
        return command.issuer.get_username() if command.issuer else "-"

    @admin.display(description=_("run"))
    def run(self, command: Command) -> str:
        if command.runtime_id is None:
            return "-"
        url = reverse("admin:runtime_runtime_change", args=[command.runtime_id])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, command.runtime_id[:8])


from apps.runtime import bulk_admin, function_admin, node_admin, queue_admin  # noqa: E402, F401 - these pages register themselves
