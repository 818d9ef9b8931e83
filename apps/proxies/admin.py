"""Providers, their ways out, who has which address, bans, and what sites make of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.accounts.policy import may
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, legible, size
from apps.proxies.forms import ProviderForm
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, ProxyTarget, Verdict
from apps.proxies.services import ban_address, lift_bans, release_leases, request_judgement

RELEASE, BAN, LIFT = "proxies.change_proxyreservation", "proxies.add_proxyban", "proxies.delete_proxyban"


def _said(text: str) -> str:
    if not text:
        return "-"
    said = legible(text)
    return format_html('<span class="dc-cause" title="{}">{}</span>', said, said[:200])


@admin.register(Provider)
class ProviderAdmin(ModelAdmin[Provider]):
    """Who sells ways out, in the order in which they are asked."""

    form = ProviderForm
    list_display = ("name", "order", "kind_label", "active", "country", "ways", "judged", "price")
    list_filter = ("kind", "is_active")
    search_fields = ("name",)
    readonly_fields = ("ways", "judged")
    fieldsets = (
        (None, {"fields": ("name", "kind", "order", "is_active", "country")}),
        (_("Gateway"), {"fields": ("host", "port", "user")}),
        (_("Password or list"), {"fields": ("secret",)}),
        (_("Use and price"), {"fields": ("cooldown_s", "price_per_gb", "price_per_request")}),
        (_("How it is"), {"fields": ("ways", "judged")}),
    )
    kind_label = coloured("kind", Provider.Kind)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        good = Count("exits", filter=Q(exits__verdict=Verdict.GOOD))
        newest = ProxyExit.objects.filter(provider=OuterRef("pk"), judged_at__isnull=False).order_by("-judged_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                exit_count=Count("exits"),
                good_count=good,
                last_verdict=Subquery(newest.values("verdict")[:1]),
                last_judged_at=Subquery(newest.values("judged_at")[:1]),
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        # Who may only look gets the values of fields as text, that of the secret too.
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [(title, part) for title, part in self.fieldsets if "secret" not in part["fields"]]

    @admin.display(description=_("active"), ordering="is_active")
    def active(self, row: Provider) -> str:
        return label(_("active"), "success") if row.is_active else label(_("switched off"), "default")

    @admin.display(description=_("good ways out"))
    def ways(self, row: Any) -> str:
        if row.pk is None:
            return "-"
        url = f"{reverse('admin:proxies_proxyexit_changelist')}?provider__id__exact={row.pk}"
        text = gettext("%(good)s of %(count)s") % {"good": row.good_count, "count": row.exit_count}
        return format_html('<a class="dc-link" href="{}">{}</a>', url, text)

    @admin.display(description=_("last verdict"))
    def judged(self, row: Any) -> str:
        if getattr(row, "last_verdict", None) is None:
            return gettext("never judged")
        verdict = Verdict(row.last_verdict)
        return format_html("{} {}", label(verdict.label, verdict.colour), ago(row.last_judged_at))

    @admin.display(description=_("price"))
    def price(self, row: Provider) -> str:
        parts = []
        if row.price_per_gb:
            parts.append(gettext("%(price)s a GB") % {"price": row.price_per_gb.normalize()})
        if row.price_per_request:
            parts.append(gettext("%(price)s a request") % {"price": f"{row.price_per_request.normalize():f}"})
        return ", ".join(parts) or "-"


class _OfProvider:
    """Deleting a provider deletes what belongs to it, and asks these pages whether it may."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, "proxies.delete_provider")

    @admin.display(description=_("provider"), ordering="provider__order")
    def of_provider(self, row: Any) -> str:
        return str(row.provider.name)


@admin.register(ProxyExit)
class ProxyExitAdmin(_OfProvider, ReadOnlyAdmin[ProxyExit]):
    """Ways out, and what the judges said last."""

    list_display = ("label", "of_provider", "address", "verdict_label", "judged", "what", "failures")
    list_filter = ("verdict", "provider")
    list_select_related = ("provider",)
    search_fields = ("label", "address")
    actions = ("judge_again",)
    fields = ("label", "of_provider", "address", "verdict_label", "said", "judged_at", "next_judge_at", "failures")
    readonly_fields = ("of_provider", "verdict_label")
    verdict_label = coloured("verdict", Verdict)

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return may(request.user, RELEASE)

    @admin.display(description=_("judged"), ordering="judged_at")
    def judged(self, row: ProxyExit) -> str:
        return ago(row.judged_at)

    @admin.display(description=_("what they said"))
    def what(self, row: ProxyExit) -> str:
        return _said(row.said)

    @admin.action(description=_("Judge again"), permissions=["judge"])
    def judge_again(self, request: HttpRequest, rows: QuerySet[ProxyExit]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        count = request_judgement(rows, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(
            request, _("%(count)s are judged again within a minute.") % {"count": count}, messages.SUCCESS
        )


@admin.register(ProxyReservation)
class ProxyReservationAdmin(_OfProvider, ReadOnlyAdmin[ProxyReservation]):
    """Who has which address for which site, or had it last."""

    list_display = ("ip", "domain", "state", "of_provider", "app", "of_run", "reserved", "until")
    list_filter = ("provider", "ended_as")
    list_select_related = ("provider",)
    search_fields = ("ip", "domain", "app", "runtime")
    actions = ("release_leases", "ban_addresses")
    fields = (
        *("ip", "domain", "state", "of_provider", "app", "of_run", "holder", "fence", "ttl_s", "cooldown_s"),
        *("reserved_at", "renewed_at", "held_until", "free_at", "released_at"),
    )
    readonly_fields = ("state", "of_provider", "of_run")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return may(request.user, RELEASE)

    def has_ban_permission(self, request: HttpRequest) -> bool:
        return may(request.user, BAN)

    @admin.display(description=_("state"), ordering="released_at")
    def state(self, row: ProxyReservation) -> str:
        if row.released_at is None:
            is_held = row.held_until > utc_now()
            return label(_("held"), "primary") if is_held else label(_("not renewed"), "warning")
        end = ProxyReservation.End(row.ended_as) if row.ended_as else ProxyReservation.End.RELEASED
        return label(end.label, end.colour)

    @admin.display(description=_("run"))
    def of_run(self, row: ProxyReservation) -> str:
        if not row.runtime:
            return "-"
        address = reverse("admin:runtime_runtime_change", args=[row.runtime])
        return format_html('<a class="dc-link" href="{}">{}</a>', address, row.runtime[:8])

    @admin.display(description=_("since"), ordering="reserved_at")
    def reserved(self, row: ProxyReservation) -> str:
        return ago(row.reserved_at)

    @admin.display(description=_("free"), ordering="free_at")
    def until(self, row: ProxyReservation) -> str:
        return ago(row.free_at)

    @admin.action(description=_("Take the addresses away"), permissions=["release"])
    def release_leases(self, request: HttpRequest, rows: QuerySet[ProxyReservation]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        count = release_leases(rows, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(request, _("%(count)s were taken away.") % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Ban the addresses from their sites"), permissions=["ban"])
    def ban_addresses(self, request: HttpRequest, rows: QuerySet[ProxyReservation]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        chosen = list(rows)
        for row in chosen:
            ban_address(row.ip, row.domain, reason="by hand", actor=actor, source=ADMIN, now=utc_now())
        self.message_user(request, _("%(count)s are banned.") % {"count": len(chosen)}, messages.SUCCESS)


@admin.register(ProxyBan)
class ProxyBanAdmin(ReadOnlyAdmin[ProxyBan]):
    """Which site does not want which address, and for how long."""

    list_display = ("ip", "domain", "state", "level", "failures", "why", "last_failed")
    list_filter = ("level",)
    search_fields = ("ip", "domain")
    actions = ("lift_bans",)
    fields = (
        *("ip", "domain", "state", "level", "failures", "reason"),
        *("first_failed_at", "last_failed_at", "escalated_at", "until", "decays_at"),
    )
    readonly_fields = ("state",)

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return may(request.user, LIFT)

    @admin.display(description=_("state"), ordering="until")
    def state(self, row: ProxyBan) -> str:
        if row.until > utc_now():
            return format_html("{} {}", label(_("banned"), "danger"), ago(row.until))
        return label(_("over"), "default")

    @admin.display(description=_("reason"))
    def why(self, row: ProxyBan) -> str:
        return _said(row.reason)

    @admin.display(description=_("last failure"), ordering="last_failed_at")
    def last_failed(self, row: ProxyBan) -> str:
        return ago(row.last_failed_at)

    @admin.action(description=_("Lift the bans"), permissions=["lift"])
    def lift_bans(self, request: HttpRequest, rows: QuerySet[ProxyBan]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        count = lift_bans(rows, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(request, _("%(count)s bans were lifted.") % {"count": count}, messages.SUCCESS)


@admin.register(ProxyTarget)
class ProxyTargetAdmin(_OfProvider, ReadOnlyAdmin[ProxyTarget]):
    """What requests to each site came to, by provider."""

    list_display = (
        *("domain", "of_provider", "recently", "overall", "requests", "rotated", "bans"),
        *("volume", "cost_shown", "verdict", "last_used"),
    )
    list_filter = ("provider",)
    list_select_related = ("provider",)
    list_fullwidth = True
    search_fields = ("domain",)
    fields = (
        *("domain", "of_provider", "recently", "overall", "requests", "succeeded", "rotated", "bans", "bytes_sent"),
        *("bytes_received", "cost_shown", "verdict", "last_error", "first_used_at", "last_used_at"),
    )
    readonly_fields = ("of_provider", "recently", "overall", "bans", "cost_shown", "verdict")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProxyTarget]:
        bans = ProxyBan.objects.filter(domain=OuterRef("domain"), until__gt=utc_now()).order_by().values("domain")
        newest = ProxyExit.objects.filter(provider=OuterRef("provider"), judged_at__isnull=False)
        return (
            super()
            .get_queryset(request)
            .annotate(
                ban_count=Coalesce(Subquery(bans.annotate(n=Count("*")).values("n"), output_field=IntegerField()), 0),
                last_verdict=Subquery(newest.order_by("-judged_at").values("verdict")[:1]),
            )
        )

    @admin.display(description=_("success lately"), ordering="recent")
    def recently(self, row: ProxyTarget) -> str:
        colour = "success" if row.recent >= 0.9 else "warning" if row.recent >= 0.6 else "danger"
        return label(f"{100 * row.recent:.0f} %", colour) if row.requests else "-"

    @admin.display(description=_("success"))
    def overall(self, row: ProxyTarget) -> str:
        return f"{100 * row.succeeded / row.requests:.1f} %" if row.requests else "-"

    @admin.display(description=_("bans"))
    def bans(self, row: Any) -> str:
        url = f"{reverse('admin:proxies_proxyban_changelist')}?q={row.domain}"
        return format_html('<a class="dc-link" href="{}">{}</a>', url, row.ban_count) if row.ban_count else "0"

    @admin.display(description=_("traffic"), ordering="bytes_received")
    def volume(self, row: ProxyTarget) -> str:
        return size(row.bytes_sent + row.bytes_received)

    @admin.display(description=_("cost"), ordering="cost")
    def cost_shown(self, row: ProxyTarget) -> str:
        return f"{row.cost:.4f}"

    @admin.display(description=_("last verdict"))
    def verdict(self, row: Any) -> str:
        if not row.last_verdict:
            return "-"
        verdict = Verdict(row.last_verdict)
        return label(verdict.label, verdict.colour)

    @admin.display(description=_("last used"), ordering="last_used_at")
    def last_used(self, row: ProxyTarget) -> str:
        return ago(row.last_used_at)
