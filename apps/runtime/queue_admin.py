"""Lists that a later run goes on with, as people see them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ReadOnlyAdmin
from apps.accounts.policy import may
from apps.core.clock import utc_now
from apps.core.templatetags.facts import ago, number
from apps.registry.admin import AppFilter
from apps.runtime.queue_models import ItemQueue
from apps.runtime.queue_upkeep import begin_anew


@admin.register(ItemQueue)
class ItemQueueAdmin(ReadOnlyAdmin[ItemQueue]):
    """What runs have left to the next ones."""

    empty_hint = _("No list is under way. Sources with resume = True keep theirs here until it is done.")
    list_display = ("app", "left_text", "size_text", "given_up_text", "run", "touched", "expires")
    list_filter = (AppFilter, "is_listed")
    list_select_related = ("app",)
    search_fields = ("app__code", "worked_by__startswith")
    actions = ("begin_anew",)
    fieldsets = (
        (None, {"fields": ("app", "left_text", "size_text", "given_up_text", "run", "touched", "expires")}),
        (_("The list"), {"fields": ("is_listed", "args_digest", "begun_at")}),
    )
    readonly_fields = ("left_text", "size_text", "given_up_text", "run", "touched", "expires")

    def has_command_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "runtime.add_command")

    @admin.action(description=_("Begin anew"), permissions=["command"])
    def begin_anew(self, request: HttpRequest, queues: QuerySet[ItemQueue]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        chosen = list(queues.select_related("app"))
        allowed = [queue for queue in chosen if may(actor, "runtime.add_command", queue)]
        done = begin_anew(allowed, actor=actor, source=ADMIN, now=utc_now())
        text = gettext("%(count)s of %(total)s lists were removed: the next run makes a new one.")
        level = messages.SUCCESS if done == len(chosen) else messages.WARNING
        self.message_user(request, text % {"count": done, "total": len(chosen)}, level)

    @admin.display(description=_("left"))
    def left_text(self, queue: ItemQueue) -> str:
        return number(queue.left) if queue.is_listed else gettext("still being listed")

    @admin.display(description=_("items"), ordering="size")
    def size_text(self, queue: ItemQueue) -> str:
        return number(queue.size) if queue.is_listed else "-"

    @admin.display(description=_("given up"), ordering="given_up")
    def given_up_text(self, queue: ItemQueue) -> str:
        return number(queue.given_up)

    @admin.display(description=_("last run"))
    def run(self, queue: ItemQueue) -> str:
        url = reverse("admin:runtime_runtime_change", args=[queue.worked_by])
        return format_html('<a class="dc-link" href="{}">{}</a>', url, queue.worked_by[:8])

    @admin.display(description=_("last worked on"), ordering="touched_at")
    def touched(self, queue: ItemQueue) -> str:
        return ago(queue.touched_at)

    @admin.display(description=_("kept until"), ordering="expires_at")
    def expires(self, queue: ItemQueue) -> str:
        return ago(queue.expires_at)
