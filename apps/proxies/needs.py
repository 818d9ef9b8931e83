"""Providers that have nothing to give, and proxies that lie."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Max, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import everywhere
from apps.core.attention import SHOWN, Item, Look, Need
from apps.proxies.models import Provider, ProxyExit, Verdict


def find_needs(look: Look) -> Iterator[Need]:
    """Active providers of which no way out is good, although some were judged; ways out that lie."""
    if not everywhere(look.asker, "proxies.view_provider"):
        return
    yield _idle(look)
    yield _liars(look)


def _idle(look: Look) -> Need:
    counted = Provider.objects.filter(is_active=True).annotate(
        good=Count("exits", filter=Q(exits__verdict=Verdict.GOOD)),
        bad=Count("exits", filter=~Q(exits__verdict__in=(Verdict.GOOD, Verdict.UNJUDGED))),
        refused=Count("exits", filter=Q(exits__verdict=Verdict.REFUSED)),
        said=Max("exits__said", filter=~Q(exits__verdict=Verdict.GOOD)),
        at=Max("exits__judged_at"),
    )
    found = [row for row in counted.order_by("order", "name") if row.bad and not row.good]
    return Need(
        name="proxy_providers",
        title=_("Providers of proxies with nothing to give"),
        colour="warning",
        icon="vpn_lock",
        step=_("See what the judges say of its ways out; mend the password or the list, or switch it off."),
        items=[
            Item(
                subject=row.name,
                url=reverse("admin:proxies_provider_change", args=[row.pk]),
                said=_("Its password is refused.") if row.refused else str(row.said or ""),
                at=row.at,
                is_new=look.is_new(row.at),
            )
            for row in found[:SHOWN]
        ],
        count=len(found),
        url=reverse("admin:proxies_provider_changelist"),
    )


def _liars(look: Look) -> Need:
    found = list(ProxyExit.objects.filter(verdict=Verdict.LIES).select_related("provider").order_by("-judged_at")[:100])
    return Need(
        name="proxy_liars",
        title=_("Proxies that lie about their address"),
        colour="danger",
        icon="gpp_bad",
        step=_("Nobody is given them. Take them out of the list, and ask who sold them."),
        items=[
            Item(
                subject=row.label,
                url=reverse("admin:proxies_proxyexit_change", args=[row.pk]),
                said=row.said,
                at=row.judged_at,
                note=row.provider.name,
                is_new=look.is_new(row.judged_at),
            )
            for row in found[:SHOWN]
        ],
        count=len(found),
        url=reverse("admin:proxies_proxyexit_changelist") + "?verdict__exact=LIES",
    )
