"""Managers as people see them: which machine takes runs, how many more, and whether it still answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.audit import ADMIN
from apps.core.admin import ReadOnlyAdmin
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.live import LiveList
from apps.core.templatetags.facts import ago, legible
from apps.runtime.models import LIVE
from apps.runtime.node_models import Mark, Node
from apps.runtime.nodes import ask_to_drain
from apps.runtime.templatetags.runs import state as state_of

SHOWN = 100


class AliveFilter(admin.SimpleListFilter):
    """Managers that run, unless all are asked for."""

    title = _("manager")
    parameter_name = "alive"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("yes", _("Running")), ("no", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Node]) -> QuerySet[Node]:
        match self.value():
            case "yes":
                return queryset.filter(ended_at__isnull=True)
            case "no":
                return queryset.filter(ended_at__isnull=False)
        return queryset


@admin.register(Node)
class NodeAdmin(LiveList, ReadOnlyAdmin[Node]):
    """One row for each time a manager was started."""

    live_topic = "managers"
    list_display = ("host", "standing", "slots_text", "queues_text", "heartbeat", "broker", "started", "ended")
    list_filter = (AliveFilter, "is_draining")
    actions = ("drain", "undrain")
    list_fullwidth = True
    search_fields = ("host", "id__startswith")
    fieldsets = (
        (None, {"fields": ("host", "standing", "slots_text", "queues_text", "heartbeat", "broker", "live_runs")}),
        (
            _("Process"),
            {"fields": ("id", "version", "pid", "boot_id", "started_at", "lease_until", "ended_at", "end_cause")},
        ),
    )
    readonly_fields = ("standing", "slots_text", "queues_text", "heartbeat", "broker", "live_runs")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        # Leases are written with the clock of the database, so it is asked whether they are over.
        is_late = ExpressionWrapper(Q(lease_until__lt=Now()), output_field=BooleanField())
        return super().get_queryset(request).annotate(is_late=is_late)

    def has_drain_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("runtime.add_command"))

    @admin.action(description=_("Take no more runs"), permissions=["drain"])
    def drain(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._set_draining(request, nodes, is_draining=True)

    @admin.action(description=_("Take runs again"), permissions=["drain"])
    def undrain(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        self._set_draining(request, nodes, is_draining=False)

    def _set_draining(self, request: HttpRequest, nodes: QuerySet[Node], *, is_draining: bool) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        done = ask_to_drain(nodes, is_draining=is_draining, actor=actor, source=ADMIN, now=utc_now())
        if is_draining:
            text = gettext("%(count)s of %(total)s managers take no more runs, from their next heartbeat on.")
        else:
            text = gettext("%(count)s of %(total)s managers take runs again, from their next heartbeat on.")
        text = text % {"count": done, "total": len(nodes)}
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)

    @admin.display(description=_("state"))
    def standing(self, node: Node) -> str:
        if node.ended_at is not None:
            return label(_("ended"), "default")
        if node.is_late:  # type: ignore[attr-defined]
            return label(_("does not answer"), "danger")
        return label(_("draining"), "warning") if node.is_draining else label(_("running"), "success")

    @admin.display(description=_("slots"), ordering="used")
    def slots_text(self, node: Node) -> str:
        free = max(0, node.slots - node.used)
        return _("%(used)s of %(slots)s used, %(free)s free") % {"used": node.used, "slots": node.slots, "free": free}

    @admin.display(description=_("queues"))
    def queues_text(self, node: Node) -> str:
        return ", ".join(map(str, node.queues)) or "-"

    @admin.display(description=_("heartbeat"), ordering="heartbeat_at")
    def heartbeat(self, node: Node) -> str:
        return ago(node.heartbeat_at)

    @admin.display(description=_("broker"))
    def broker(self, node: Node) -> str:
        if not node.broker_error:
            return label(_("answers"), "success") if node.ended_at is None else "-"
        said = legible(node.broker_error)
        return format_html(
            '{} <span class="dc-cause" title="{}">{}</span>', label(_("silent"), "danger"), said, said[:200]
        )

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, node: Node) -> str:
        return ago(node.started_at)

    @admin.display(description=_("ended"), ordering="ended_at")
    def ended(self, node: Node) -> str:
        return ago(node.ended_at)

    @admin.display(description=_("its live runs"))
    def live_runs(self, node: Node) -> str:
        runs = list(node.runtimes.filter(state__in=LIVE).select_related("app").order_by("-started_at")[:SHOWN])
        lines = (
            (state_of(run), reverse("admin:runtime_runtime_change", args=[run.pk]), run.app.code, run.pk[:8])
            for run in runs
        )
        return format_html_join("", '<p>{} <a class="dc-link" href="{}">{} {}</a></p>', lines) or "none"


@admin.register(Mark)
class MarkAdmin(ReadOnlyAdmin[Mark]):
    """When the tick and the reaping were last done."""

    list_display = ("name", "at", "quiet_until")
