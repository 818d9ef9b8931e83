"""Actions on many as pages: the preview, the way it goes, what became of each; and the list of all of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.address import client_address
from apps.accounts.granted_admin import ReadOnlyAdmin
from apps.accounts.policy import everywhere, may
from apps.accounts.principal import principal_of
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.templatetags.facts import moment
from apps.runtime import bulk
from apps.runtime.bulk_actions import KINDS
from apps.runtime.bulk_models import BulkItem, BulkJob
from apps.runtime.bulk_options import NoOptions, options_form
from apps.runtime.models import Runtime

#: Whoever sees all commands sees all of these; others see their own.
MAY_SEE = "runtime.view_command"
#: What takes longer is gone on with by the workers, while somebody watches.
PATIENCE_S = 1.0
SHOWN = 200


@admin.register(BulkJob)
class BulkJobAdmin(ReadOnlyAdmin[BulkJob]):
    """Bulk actions, newest first."""

    list_display = ("name", "state_label", "counts", "issued_by", "created", "ended")
    list_display_links = None  # the name links already
    list_filter = ("action", "state")
    list_select_related = ("issuer", "client")
    list_fullwidth = True
    search_fields = ("id__startswith", "issuer__username", "items__label")
    search_help_text = gettext_lazy("The id, who did it, an app code or the id of a run")

    state_label = coloured("state", BulkJob.State)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkJob]:
        jobs = super().get_queryset(request)
        if everywhere(request.user, MAY_SEE):
            return jobs
        return jobs.filter(issuer=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: BulkJob | None = None) -> bool:
        is_own = obj is None or obj.issuer_id == request.user.pk or everywhere(request.user, MAY_SEE)
        return may(request.user, MAY_SEE) and is_own

    @admin.display(description=gettext_lazy("action"), ordering="action")
    def name(self, job: BulkJob) -> str:
        url = reverse("admin:runtime_bulkjob_change", args=[job.pk])
        title = KINDS[BulkJob.Action(job.action)].title
        undone = " " + _("(undo)") if job.undo_of_id else ""
        return format_html('<a class="dc-link" href="{}">{}{}</a>', url, title, undone)

    @admin.display(description=gettext_lazy("done / refused / skipped"))
    def counts(self, job: BulkJob) -> str:
        return f"{job.done_count} / {job.refused_count} / {job.skipped_count}"

    @admin.display(description=gettext_lazy("by"), ordering="issuer")
    def issued_by(self, job: BulkJob) -> str:
        return str(job.issuer or job.client or "-")

    @admin.display(description=gettext_lazy("drawn up"), ordering="created_at")
    def created(self, job: BulkJob) -> str:
        return moment(job.created_at)

    @admin.display(description=gettext_lazy("over"), ordering="finished_at")
    def ended(self, job: BulkJob) -> str:
        return moment(job.finished_at)

    # -- The page of one -----------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        posts = {"confirm": self.confirm_view, "cancel": self.cancel_view, "undo": self.undo_view}
        return [
            path("<str:job_id>/live/", view(require_safe(never_cache(self.live_view))), name="runtime_bulkjob_live"),
            *(
                path(f"<str:job_id>/{name}/", view(require_POST(post)), name=f"runtime_bulkjob_{name}")
                for name, post in posts.items()
            ),
            *super().get_urls(),
        ]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        job = self._job(request, object_id)
        return self._page(request, job, options_form(job))

    def live_view(self, request: HttpRequest, job_id: str) -> HttpResponse:
        """The part of the page that changes while it is carried out."""
        return TemplateResponse(request, "runtime/_bulk.html", self._context(request, self._job(request, job_id)))

    def confirm_view(self, request: HttpRequest, job_id: str) -> HttpResponse:
        """Carry out what was previewed, once: what takes longer than somebody waits is left to the workers."""
        job = self._mine(request, job_id)
        form = options_form(job, request.POST)
        if not form.is_valid():
            return self._page(request, job, form)
        if bulk.confirm(job, now=utc_now(), options=form.said()):
            bulk.carry_out(job, max_seconds=PATIENCE_S)
        return redirect(reverse("admin:runtime_bulkjob_change", args=[job.pk]))

    def cancel_view(self, request: HttpRequest, job_id: str) -> HttpResponse:
        job = self._mine(request, job_id)
        was_draft = job.state == BulkJob.State.DRAFT
        if bulk.cancel(job, now=utc_now()):
            self.message_user(request, _("Cancelled; nothing more is done."), messages.SUCCESS)
        return redirect(job.back if was_draft and job.back else reverse("admin:runtime_bulkjob_change", args=[job.pk]))

    def undo_view(self, request: HttpRequest, job_id: str) -> HttpResponse:
        """Draws up the opposite, to be confirmed like anything else."""
        job = self._job(request, job_id)
        kind = KINDS[BulkJob.Action(job.action)]
        if not may(request.user, kind.permission):
            raise PermissionDenied
        try:
            opposite = bulk.undo(job, principal_of(request.user), now=utc_now(), address=client_address(request.META))
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(reverse("admin:runtime_bulkjob_change", args=[job.pk]))
        return redirect(reverse("admin:runtime_bulkjob_change", args=[opposite.pk]))

    def _job(self, request: HttpRequest, job_id: str | None) -> BulkJob:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_queryset(request).select_related("issuer", "client", "undo_of").filter(pk=job_id).first()
        if job is None:
            raise Http404(_("There is no such bulk action."))
        return job

    def _mine(self, request: HttpRequest, job_id: str) -> BulkJob:
        """What one has drawn up is confirmed and cancelled by nobody else: it is done in one's name."""
        job = self._job(request, job_id)
        if job.issuer_id != request.user.pk or not may(request.user, KINDS[BulkJob.Action(job.action)].permission):
            raise PermissionDenied
        return job

    def _page(self, request: HttpRequest, job: BulkJob, form: NoOptions) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self._context(request, job),
            "title": KINDS[BulkJob.Action(job.action)].title,
            "opts": self.opts,
            "original": job,
            "form": form,
        }
        return TemplateResponse(request, "runtime/bulk.html", context)

    def _context(self, request: HttpRequest, job: BulkJob) -> dict[str, Any]:
        kind = KINDS[BulkJob.Action(job.action)]
        is_own = job.issuer_id == request.user.pk
        items = list(job.items.annotate(rank=_RANK).order_by("rank", "position")[: SHOWN + 1])
        return {
            "job": job,
            "kind": kind,
            "items": items[:SHOWN],
            "has_more": len(items) > SHOWN,
            "noun": _noun(kind.model is Runtime, job.to_do),
            "link_to": "admin:runtime_runtime_change" if kind.model is Runtime else "admin:registry_app_change",
            "may_act": is_own and may(request.user, kind.permission),
            "may_undo": bulk.is_undoable(job) and may(request.user, kind.permission),
            "measured_at": utc_now(),
        }


#: What needs somebody's eyes stands on top.
_RANK = Case(
    When(state=BulkItem.State.REFUSED, then=Value(0)),
    When(state=BulkItem.State.SKIPPED, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


def _noun(are_runs: bool, count: int) -> str:  # noqa: FBT001 - apps or runs
    return ngettext("run", "runs", count) if are_runs else ngettext("app", "apps", count)
