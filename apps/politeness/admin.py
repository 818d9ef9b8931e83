"""Sites: how long the pause is now and why, which ways are closed, what robots.txt said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, legible, number, span
from apps.politeness.forms import SiteForm
from apps.politeness.models import Site, moment
from apps.politeness.services import close_circuits, forget_robots


class StateFilter(admin.SimpleListFilter):
    """Sites with which something is the matter."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("slowed", _("the pause has grown")),
            ("resting", _("it asked for no requests")),
            ("cut", _("a circuit is open")),
            ("set", _("the pause is set here")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Site]) -> QuerySet[Site]:
        now = utc_now().timestamp()
        match self.value():
            case "slowed":
                return queryset.filter(penalty_s__gt=0)
            case "resting":
                return queryset.filter(rest_until__gt=now)
            case "cut":
                return queryset.filter(pk__in=Site.objects.filter(ways__is_open=True))
            case "set":
                return queryset.filter(low_s__isnull=False)
        return queryset


@admin.register(Site)
class SiteAdmin(ModelAdmin[Site]):
    """What is fetched from."""

    form = SiteForm
    change_form_template = "politeness/site_change_form.html"
    list_display = ("name", "pause", "reason", "refused", "rest", "ways_shown", "answers", "asked")
    list_filter = (StateFilter, "why")
    search_fields = ("name",)
    search_help_text = _("A domain")
    readonly_fields = ("name", "pause", "reason", "refused", "rest", "ways_shown", "robots_shown", "usual")
    fieldsets = (
        (None, {"fields": ("name", "low_s", "high_s", "at_once")}),
        (_("How it is"), {"fields": ("pause", "reason", "refused", "rest", "usual", "ways_shown", "robots_shown")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        return super().get_queryset(request).annotate(cut_count=Count("ways", filter=Q(ways__is_open=True)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the first request to a site makes it

    @admin.display(description=_("pause now"), ordering="used_low_s")
    def pause(self, row: Site) -> str:
        low_s, high_s = (one + row.penalty_s for one in (row.used_low_s, row.used_high_s))
        if low_s == high_s:
            return span(low_s)
        return gettext("%(low)s to %(high)s") % {"low": span(low_s), "high": span(high_s)}

    @admin.display(description=_("why"), ordering="why")
    def reason(self, row: Site) -> SafeString:
        return label(row.reason.label, row.reason.colour)

    @admin.display(description=_("last refusal"), ordering="refused_time")
    def refused(self, row: Site) -> str:
        if not row.refused_count:
            return "-"
        return format_html("{} ({})", ago(moment(row.refused_time)), number(row.refused_count))

    @admin.display(description=_("Retry-After left"), ordering="rest_until")
    def rest(self, row: Site) -> str:
        left_s = row.rest_until - utc_now().timestamp()
        return span(left_s) if left_s > 0 else "-"

    @admin.display(description=_("circuits"))
    def ways_shown(self, row: Any) -> str:
        if not row.cut_count:
            return label(gettext("closed"), "success")
        cut = row.ways.filter(is_open=True) if self._is_page(row) else ()
        now = utc_now().timestamp()
        told = format_html_join(
            "",
            "<br>{}: {} ({})",
            ((legible(f"{way.host} ({way.egress})", 200), legible(way.why, 400), self._tried(way, now)) for way in cut),
        )
        said = ngettext("%(count)s open", "%(count)s open", row.cut_count) % {"count": row.cut_count}
        return format_html("{}{}", label(said, "danger"), told)

    def _tried(self, way: Any, now: float) -> str:
        if way.probe_until > now:
            return gettext("half open: one request tries")
        return (
            gettext("tried again in %(span)s") % {"span": span(way.until - now)}
            if way.until > now
            else gettext("the next request tries")
        )

    @admin.display(description=_("robots.txt"))
    def robots_shown(self, row: Site) -> str:
        files = list(row.robots.defer("text")[:20])
        if not files:
            return gettext("not asked for yet")
        return format_html_join(
            "",
            "{}: {}, {}, {}<br>",
            (
                (
                    legible(file.origin, 300),
                    file.status,
                    ago(moment(file.fetched_time)),
                    gettext("Crawl-delay %(span)s") % {"span": span(file.crawl_s)}
                    if file.crawl_s
                    else gettext("no Crawl-delay"),
                )
                for file in files
            ),
        )

    @admin.display(description=_("answers"), ordering="answer_count")
    def answers(self, row: Site) -> str:
        return number(row.answer_count)

    @admin.display(description=_("an answer takes"), ordering="latency_s")
    def usual(self, row: Site) -> str:
        return span(row.latency_s) if row.latency_s else "-"

    @admin.display(description=_("last asked"), ordering="asked_time")
    def asked(self, row: Site) -> str:
        return ago(moment(row.asked_time))

    def _is_page(self, row: Any) -> bool:
        return getattr(row, "is_page", False)

    # -- Buttons ------------------------------------------------------------------------------------------------------

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row is not None:
            row.is_page = True
        return row

    def get_urls(self) -> list[URLPattern]:
        close, forget = (self._button(work) for work in (self._close, self._forget))
        return [
            path("<int:site_id>/close-circuits/", close, name="politeness_site_close_circuits"),
            path("<int:site_id>/forget-robots/", forget, name="politeness_site_forget_robots"),
            *super().get_urls(),
        ]

    def _button(self, work: Callable[[HttpRequest, Site], None]) -> Any:
        def view(request: HttpRequest, site_id: int) -> HttpResponse:
            if not self.has_change_permission(request):
                raise PermissionDenied
            row = self.get_object(request, str(site_id))
            if row is None:
                raise Http404(_("There is no such site; nothing has been fetched from it."))
            work(request, row)
            return redirect(reverse("admin:politeness_site_change", args=[row.pk]))

        return self.admin_site.admin_view(require_POST(view))

    def _close(self, request: HttpRequest, row: Site) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        count = close_circuits(row, actor=actor, source=ADMIN, now=utc_now())
        said = ngettext("%(count)s circuit was closed.", "%(count)s circuits were closed.", count)
        self.message_user(request, said % {"count": count}, messages.SUCCESS)

    def _forget(self, request: HttpRequest, row: Site) -> None:
        actor: Any = request.user
        forget_robots(row, actor=actor, source=ADMIN, now=utc_now())
        said = gettext("The next run that fetches from %(site)s asks for its robots.txt again.") % {"site": row.name}
        self.message_user(request, said, messages.SUCCESS)
