"""The inbox of errors: what goes wrong, how often, where, and who looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.core.admin import ModelAdmin, coloured
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, number
from apps.logs.group_models import ErrorGroup
from apps.logs.groups import in_inbox, reopen_groups, resolve_groups, snooze_groups
from apps.registry.models import App

MAY_SEE = "logs.view_log"
#: Who may start and stop runs also says what has been dealt with.
MAY_ACT = "runtime.add_command"
APPS_SHOWN = 3


class InboxFilter(admin.SimpleListFilter):
    """The inbox, unless something else is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [*ErrorGroup.State.choices, ("all", _("all"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Inbox")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
        match self.value():
            case None:
                return queryset.filter(in_inbox(now=utc_now()))
            case "all":
                return queryset
            case state:
                return queryset.filter(state=state)


class AffectedAppFilter(admin.SimpleListFilter):
    """Errors of one app."""

    title = _("app")
    parameter_name = "app"
    MOST = 50

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(str(pk), code) for pk, code in App.objects.order_by("code").values_list("pk", "code")[: self.MOST]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(apps__app_id=value) if value.isdigit() else queryset.none()


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ModelAdmin[ErrorGroup]):
    list_display = ("title", "state_label", "times", "affected", "last_seen", "first_seen", "lines", "assignee")
    list_filter = (InboxFilter, AffectedAppFilter, ("assignee", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("assignee",)
    list_fullwidth = True
    search_fields = ("title", "logger", "=fingerprint")
    actions = ("resolve", "snooze_a_day", "snooze_a_week", "reopen", "take")
    fieldsets = (
        (None, {"fields": ("title", "state_label", "times", "affected", "first_seen", "last_seen", "lines")}),
        ("Who looks at it", {"fields": ("assignee", "snoozed_until", "note")}),
    )
    readonly_fields = (
        *("title", "state_label", "times", "affected", "first_seen", "last_seen", "lines", "snoozed_until"),
    )

    state_label = coloured("state", ErrorGroup.State)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorGroup]:
        return super().get_queryset(request).prefetch_related("apps__app")

    def has_view_permission(self, request: HttpRequest, obj: ErrorGroup | None = None) -> bool:
        return bool(request.user.has_perm(MAY_SEE))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: ErrorGroup | None = None) -> bool:
        return bool(request.user.has_perm(MAY_ACT))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ErrorGroup | None = None) -> bool:
        return False  # retention does it when its lines are gone

    @admin.display(description="times", ordering="count")
    def times(self, group: ErrorGroup) -> str:
        return number(group.count)

    @admin.display(description="apps")
    def affected(self, group: ErrorGroup) -> str:
        codes = [entry.app.code for entry in group.apps.all()]
        more = len(codes) - APPS_SHOWN
        return ", ".join(codes[:APPS_SHOWN]) + (f" and {more} more" if more > 0 else "") or "the platform itself"

    @admin.display(description="last seen", ordering="last_seen_at")
    def last_seen(self, group: ErrorGroup) -> str:
        if group.last_runtime_id is None or group.last_line_number is None:
            return ago(group.last_seen_at)
        url = run_line_url(group.last_runtime_id, group.last_line_number)
        return format_html('<a class="dc-link" href="{}">{}</a>', url, ago(group.last_seen_at))

    @admin.display(description="first seen", ordering="first_seen_at")
    def first_seen(self, group: ErrorGroup) -> str:
        return ago(group.first_seen_at)

    @admin.display(description="lines")
    def lines(self, group: ErrorGroup) -> str:
        url = f"{reverse('admin:logs_log_changelist')}?{urlencode({'q': f'group:{group.pk}'})}"
        return format_html('<a class="dc-link" href="{}">all lines</a>', url)

    @admin.action(description="Resolved", permissions=["change"])
    def resolve(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = resolve_groups(_plain(groups), now=utc_now())
        self._say(request, count, "resolved; when it happens again, it comes back")

    @admin.action(description="Snooze for a day", permissions=["change"])
    def snooze_a_day(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        self._snooze(request, groups, days=1)

    @admin.action(description="Snooze for a week", permissions=["change"])
    def snooze_a_week(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        self._snooze(request, groups, days=7)

    @admin.action(description="Back into the inbox", permissions=["change"])
    def reopen(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        self._say(request, reopen_groups(_plain(groups)), "back in the inbox")

    @admin.action(description="I look at it", permissions=["change"])
    def take(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        self._say(request, _plain(groups).update(assignee=request.user.pk), "yours")

    def _snooze(self, request: HttpRequest, groups: QuerySet[ErrorGroup], *, days: int) -> None:
        now = utc_now()
        count = snooze_groups(_plain(groups), until=now + timedelta(days=days), now=now)
        self._say(request, count, f"out of the inbox for {days} day{'s' if days > 1 else ''}")

    def _say(self, request: HttpRequest, count: int, what: str) -> None:
        self.message_user(request, f"{count} error{'s' if count != 1 else ''}: {what}.", messages.SUCCESS)


def _plain(groups: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
    """The same rows without the joins of filters, so that they can be updated by one statement."""
    return ErrorGroup.objects.filter(pk__in=list(groups.values_list("pk", flat=True)))


def run_line_url(runtime_id: str, line_number: int) -> str:
    """A line in the log of its run."""
    return f"{reverse('admin:run_log_page', args=[runtime_id])}#L{line_number}"
