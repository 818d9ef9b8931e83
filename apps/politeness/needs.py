"""Hosts that have not answered for a while."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import everywhere
from apps.core.attention import SHOWN, Item, Look, Need
from apps.politeness.models import Circuit, moment

#: A circuit that has been open for so long is not a hiccup.
LONG_S = 600.0
#: One that nobody has tried for so long is not fetched from any more.
FORGOTTEN_S = 86_400.0


def find_needs(look: Look) -> Iterator[Need]:
    """Those whose circuit has been open for ten minutes. A site is one for all apps."""
    if not everywhere(look.asker, "politeness.view_site"):
        return
    now = look.now.timestamp()
    found = Circuit.objects.filter(is_open=True, opened_time__lt=now - LONG_S, until__gt=now - FORGOTTEN_S)
    cut = list(found.select_related("site").order_by("-opened_time")[: SHOWN + 1])
    step = _("See whether the site is down, or the way to it.")
    if everywhere(look.asker, "politeness.change_site"):
        step = _("See whether the site is down, or the way to it; its page lets requests through again.")
    yield Need(
        name="circuits",
        title=_("Hosts that do not answer"),
        colour="warning",
        icon="link_off",
        step=step,
        items=[
            Item(
                subject=str(one),
                url=reverse("admin:politeness_site_change", args=[one.site_id]),
                said=one.why,
                at=(at := moment(one.opened_time)),
                is_new=look.is_new(at),
            )
            for one in cut[:SHOWN]
        ],
        count=len(cut),
        url=f"{reverse('admin:politeness_site_changelist')}?state=cut",
    )
