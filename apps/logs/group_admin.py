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
from django.utils.translation import ngettext

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, number
from apps.logs.group_models import ErrorGroup
from apps.logs.groups import in_inbox
from apps.logs.inbox import describe_groups, reopen_groups, resolve_groups, snooze_groups
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
    keeps_views = True
    list_display = ("title", "state_label", "times", "affected", "last_seen", "first_seen", "lines", "assignee")
    list_filter = (InboxFilter, AffectedAppFilter, ("assignee", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("assignee",)
    list_fullwidth = True
    search_fields = ("title", "logger", "=fingerprint")
    actions = ("resolve", "snooze_a_day", "snooze_a_week", "reopen", "take")
    fieldsets = (
        (None, {"fields": ("title", "state_label", "times", "affected", "first_seen", "last_seen", "lines")}),
        (_("Who looks at it"), {"fields": ("assignee", "snoozed_until", "note")}),
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

    @admin.display(description=_("times"), ordering="count")
    def times(self, group: ErrorGroup) -> str:
        return number(group.count)

    @admin.display(description=_("apps"))
    def affected(self, group: ErrorGroup) -> str:
        codes = [entry.app.code for entry in group.apps.all()]
        more = len(codes) - APPS_SHOWN
        return ", ".join(codes[:APPS_SHOWN]) + (
            " " + _("and %(count)s more") % {"count": more} if more > 0 else ""
        ) or str(_("the platform itself"))

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen(self, group: ErrorGroup) -> str:
        if group.last_runtime_id is None or group.last_line_number is None:
            return ago(group.last_seen_at)
        url = run_line_url(group.last_runtime_id, group.last_line_number)
        return format_html('<a class="dc-link" href="{}">{}</a>', url, ago(group.last_seen_at))

    @admin.display(description=_("first seen"), ordering="first_seen_at")
    def first_seen(self, group: ErrorGroup) -> str:
        return ago(group.first_seen_at)

    @admin.display(description=_("lines"))
    def lines(self, group: ErrorGroup) -> str:
        url = f"{reverse('admin:logs_log_changelist')}?{urlencode({'q': f'group:{group.pk}'})}"
        return format_html('<a class="dc-link" href="{}">{}</a>', url, _("all lines"))

    @admin.action(description=_("Resolved"), permissions=["change"])
    def resolve(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = resolve_groups(groups, **_by(request), now=utc_now())
        said = ngettext(
            "%(count)s error: resolved; when it happens again, it comes back.",
            "%(count)s errors: resolved; when it happens again, it comes back.",
            count,
        )
        self._say(request, count, said)

    @admin.action(description=_("Snooze for a day"), permissions=["change"])
    def snooze_a_day(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = _snooze(request, groups, days=1)
        said = ngettext(
            "%(count)s error: out of the inbox for 1 day.", "%(count)s errors: out of the inbox for 1 day.", count
        )
        self._say(request, count, said)

    @admin.action(description=_("Snooze for a week"), permissions=["change"])
    def snooze_a_week(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = _snooze(request, groups, days=7)
        said = ngettext(
            "%(count)s error: out of the inbox for 7 days.", "%(count)s errors: out of the inbox for 7 days.", count
        )
        self._say(request, count, said)

    @admin.action(description=_("Back into the inbox"), permissions=["change"])
    def reopen(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = reopen_groups(groups, **_by(request), now=utc_now())
        said = ngettext("%(count)s error: back in the inbox.", "%(count)s errors: back in the inbox.", count)
        self._say(request, count, said)

    @admin.action(description=_("I look at it"), permissions=["change"])
    def take(self, request: HttpRequest, groups: QuerySet[ErrorGroup]) -> None:
        count = describe_groups(groups, assignee=request.user.pk, **_by(request), now=utc_now())
        self._say(request, count, ngettext("%(count)s error: yours.", "%(count)s errors: yours.", count))

    def _say(self, request: HttpRequest, count: int, said: str) -> None:
        self.message_user(request, said % {"count": count}, messages.SUCCESS)


def _snooze(request: HttpRequest, groups: QuerySet[ErrorGroup], *, days: int) -> int:
    now = utc_now()
    return snooze_groups(groups, until=now + timedelta(days=days), **_by(request), now=now)


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.user, "source": ADMIN}


def run_line_url(runtime_id: str, line_number: int) -> str:
    """A line in the log of its run."""
    return f"{reverse('admin:run_log_page', args=[runtime_id])}#L{line_number}"
