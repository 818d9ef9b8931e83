"""Rows that a rule put aside: what is wrong with them, and what becomes of them.

Not beside the model, because replaying a row merges it, which is above `apps.quality`.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from apps.accounts.audit import ADMIN
from apps.accounts.list_admin import ListTools
from apps.core.admin import ReadOnlyAdmin, coloured
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, as_json, legible
from apps.quality.models import QuarantinedRow
from apps.quality.services import discard
from apps.records.replay import replay

MAY_SETTLE = "quality.change_quarantinedrow"
#: An answer has to come while somebody waits for it; the command settles any number.
MOST_AT_ONCE = 2_000
REASONS_SHOWN = 5


class HeldFilter(admin.SimpleListFilter):
    """Those that wait, unless one asks for others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*QuarantinedRow.State.choices[1:], ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        for value, title in [(None, QuarantinedRow.State.HELD.label), *self.lookup_choices]:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "all":
                return queryset
            case None:
                return queryset.filter(state=QuarantinedRow.State.HELD)
        return queryset.filter(state=self.value())


class RunFilter(admin.SimpleListFilter):
    """Those of one run; its page links here."""

    title = _("run")
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        run = request.GET.get(self.parameter_name, "")
        return [(run, run[:8])] if run else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(runtime=self.value()) if self.value() else queryset


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(ListTools, ReadOnlyAdmin[QuarantinedRow]):
    """The quarantine."""

    keeps_views = True

    list_display = ("short_reason", "dataset", "rule", "run", "row", "state_label", "since")
    list_filter = (HeldFilter, RunFilter, ("dataset", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("dataset",)
    list_fullwidth = True
    search_fields = ("=runtime", "rule", "reason", "payload")
    search_help_text = _("The whole id of a run, a rule, or words of the reason or of the row")
    actions = ("replay_rows", "discard_rows")
    fields = (
        *("dataset", "reason", "rule", "field", "run", "row", "content", "is_whole", "state_label"),
        *("quarantined_at", "settled_at", "settled_by"),
    )
    readonly_fields = ("run", "content", "state_label")

    state_label = coloured("state", QuarantinedRow.State)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_SETTLE))

    def has_change_permission(self, request: HttpRequest, obj: QuarantinedRow | None = None) -> bool:
        return False  # settled by actions, never typed over

    @admin.display(description=_("what is wrong"))
    def short_reason(self, row: QuarantinedRow) -> str:
        return format_html('<span class="dc-cause" title="{0}">{0}</span>', legible(row.reason, 300))

    @admin.display(description=_("run"))
    def run(self, row: QuarantinedRow) -> str:
        url = reverse("admin:runtime_runtime_change", args=[row.runtime])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, row.runtime[:8])

    @admin.display(description=_("since"), ordering="quarantined_at")
    def since(self, row: QuarantinedRow) -> str:
        return ago(row.quarantined_at)

    @admin.display(description=_("row as it came"))
    def content(self, row: QuarantinedRow) -> str:
        try:
            text = as_json(json.loads(row.payload))
        except ValueError:
            text = row.payload
        return format_html('<pre class="dc-payload">{}</pre>', legible(text, 20_000))

    @admin.action(description=_("Replay: merge them, if the rules let them now"), permissions=["settle"])
    def replay_rows(self, request: HttpRequest, rows: QuerySet[QuarantinedRow]) -> None:
        ids = self._ids(request, rows)
        actor: Any = request.user  # a User: admin_view lets nobody else in
        done = replay(ids, actor=actor, source=ADMIN, now=utc_now())
        level = messages.SUCCESS if done.inserted or done.unchanged else messages.WARNING
        self.message_user(request, _("Replayed: %(sentence)s") % {"sentence": done.sentence}, level)
        for _pk, reason in done.held[:REASONS_SHOWN]:
            self.message_user(request, _("Still held: %(reason)s") % {"reason": legible(reason, 300)}, messages.WARNING)

    @admin.action(description=_("Discard: nobody needs them"), permissions=["settle"])
    def discard_rows(self, request: HttpRequest, rows: QuerySet[QuarantinedRow]) -> None:
        ids = self._ids(request, rows)
        actor: Any = request.user
        count = discard(ids, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(
            request,
            _("Discarded %(count)s of %(total)s rows.") % {"count": count, "total": len(ids)},
            messages.SUCCESS,
        )

    def _ids(self, request: HttpRequest, rows: QuerySet[QuarantinedRow]) -> list[int]:
        """Oldest first, and no more than somebody waits for."""
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) > MOST_AT_ONCE:
            said = _("The first %(count)s were taken; for any number: manage.py quality replay --all") % {
                "count": MOST_AT_ONCE
            }
            self.message_user(request, said, messages.INFO)
        return ids[:MOST_AT_ONCE]
