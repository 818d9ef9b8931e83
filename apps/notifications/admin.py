"""Channels with a test button, and what was sent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, legible
from apps.notifications.forms import ChannelForm
from apps.notifications.models import Channel, Delivery, Kind
from apps.notifications.services import retry_deliveries, send_test


@admin.register(Channel)
class ChannelAdmin(ModelAdmin[Channel]):
    """Where people are told."""

    form = ChannelForm
    change_form_template = "notifications/channel_change_form.html"
    list_display = ("name", "service", "enabled", "result", "last_sent", "wanted", "only_apps")
    list_filter = ("service", "is_enabled")
    search_fields = ("name",)
    readonly_fields = ("result", "last_sent")
    fieldsets = (
        (None, {"fields": ("name", "service", "is_enabled", "secret")}),
        (_("Email and Telegram"), {"fields": ("recipients",)}),
        (_("Email"), {"fields": ("smtp_host", "smtp_port", "smtp_security", "smtp_user", "sender")}),
        (_("Signed webhook"), {"fields": ("url", "is_private_allowed")}),
        (_("What it is told"), {"fields": ("kinds", "apps")}),
        (_("How it went"), {"fields": ("result", "last_sent")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        # Who may only look gets the values of fields as text, that of the secret too.
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [(title, {"fields": [f for f in part["fields"] if f != "secret"]}) for title, part in self.fieldsets]

    @admin.display(description=_("enabled"), ordering="is_enabled")
    def enabled(self, channel: Channel) -> str:
        return label(_("enabled"), "success") if channel.is_enabled else label(_("disabled"), "default")

    @admin.display(description=_("last result"))
    def result(self, channel: Channel) -> str:
        if channel.last_error:
            said = legible(channel.last_error)
            return format_html(
                '{} {} <span class="dc-cause" title="{}">{}</span>',
                label(_("failed"), "danger"),
                ago(channel.last_failed_at),
                said,
                said[:200],
            )
        return label(_("works"), "success") if channel.last_sent_at else gettext("never used")

    @admin.display(description=_("last sent"), ordering="last_sent_at")
    def last_sent(self, channel: Channel) -> str:
        return ago(channel.last_sent_at)

    @admin.display(description=_("messages about"))
    def wanted(self, channel: Channel) -> str:
        return ", ".join(str(Kind(kind).label) for kind in channel.kinds if kind in Kind.values) or gettext(
            "everything"
        )

    @admin.display(description=_("only"))
    def only_apps(self, channel: Channel) -> str:
        return ", ".join(channel.apps) or gettext("all apps")

    def get_urls(self) -> list[URLPattern]:
        test = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("<int:channel_id>/test/", test, name="notifications_channel_test"), *super().get_urls()]

    def test_view(self, request: HttpRequest, channel_id: int) -> HttpResponse:
        """Send a test message, and say what became of it."""
        channel = self.get_object(request, str(channel_id))
        if not self.has_change_permission(request, channel):
            raise PermissionDenied
        if channel is None:
            raise Http404(_("There is no such channel."))
        actor: Any = request.user  # a User: admin_view lets nobody else in
        delivery = send_test(channel, actor=actor, source=ADMIN, now=utc_now())
        if delivery.state == Delivery.State.SENT:
            self.message_user(
                request, _("A test message was sent to %(name)s.") % {"name": channel.name}, messages.SUCCESS
            )
        else:
            self.message_user(
                request, _("The test message was not sent: %(error)s") % {"error": delivery.error}, messages.ERROR
            )
        return redirect(reverse("admin:notifications_channel_change", args=[channel.pk]))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    """What people were told, and what they were not."""

    list_display = ("created", "state_label", "kind_label", "subject", "channel", "attempts", "next_attempt", "problem")
    list_display_links = ("subject",)
    list_filter = ("state", "kind", "channel")
    list_select_related = ("channel",)
    list_fullwidth = True
    search_fields = ("subject", "app_code", "error")
    actions = ("send_again",)
    fields = (
        *("channel", "state_label", "kind_label", "app_code", "subject", "body", "where"),
        *("attempts", "next_attempt_at", "error", "created_at", "sent_at"),
    )
    readonly_fields = ("state_label", "kind_label", "where")

    state_label = coloured("state", Delivery.State)
    kind_label = coloured("kind", Kind)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("notifications.change_channel"))

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        # Deleting a channel deletes what was sent to it, and asks this page whether it may.
        return bool(request.user.has_perm("notifications.delete_channel"))

    @admin.display(description=_("when"), ordering="created_at")
    def created(self, delivery: Delivery) -> str:
        return ago(delivery.created_at)

    @admin.display(description=_("next attempt"), ordering="next_attempt_at")
    def next_attempt(self, delivery: Delivery) -> str:
        return ago(delivery.next_attempt_at)

    @admin.display(description=_("error"))
    def problem(self, delivery: Delivery) -> str:
        if not delivery.error:
            return "-"
        said = legible(delivery.error)
        return format_html('<span class="dc-cause" title="{}">{}</span>', said, said[:200])

    @admin.display(description=_("link"))
    def where(self, delivery: Delivery) -> str:
        if not delivery.link.startswith(("http://", "https://", "/")):
            return "-"
        return format_html('<a class="dc-link" href="{}">{}</a>', delivery.link, delivery.link)

    @admin.action(description=_("Send again"), permissions=["retry"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        chosen: list[Any] = list(deliveries.values_list("pk", flat=True))
        actor: Any = request.user
        count = retry_deliveries(pks=chosen, actor=actor, source=ADMIN, now=utc_now())
        if count:
            self.message_user(
                request,
                _("%(count)s of %(total)s messages are sent again.") % {"count": count, "total": len(chosen)},
                messages.SUCCESS,
            )
        if count < len(chosen):
            text = gettext("%(count)s of %(total)s are sent already, or wait for their next attempt.")
            text = text % {"count": len(chosen) - count, "total": len(chosen)}
            self.message_user(request, text, messages.WARNING)
