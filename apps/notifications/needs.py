"""Messages that reached nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import everywhere
from apps.core.attention import SHOWN, Item, Look, Need
from apps.notifications.models import Delivery

DAY = timedelta(days=1)


def find_needs(look: Look) -> Iterator[Need]:
    """Of the last day, by channel."""
    if not everywhere(look.asker, "notifications.view_delivery"):
        return
    failed = Delivery.objects.filter(created_at__gt=look.now - DAY, state=Delivery.State.FAILED).order_by()
    by_channel = failed.values_list("channel", "channel__name", "channel__last_error")
    found = sorted(by_channel.annotate(Count("pk"), Max("created_at")), key=lambda row: row[4], reverse=True)
    url = reverse("admin:notifications_delivery_changelist")
    step = _("See what the channel answered.")
    if everywhere(look.asker, "notifications.change_channel"):
        step = _("Mend the channel, try it with its test button, then send the messages again.")
    yield Need(
        name="deliveries",
        title=_("Messages that reached nobody"),
        colour="warning",
        icon="outbox",
        step=step,
        items=[
            Item(
                subject=name,
                url=f"{url}?channel__id__exact={channel}",
                said=(
                    ngettext("%(count)s message of the last day.", "%(count)s messages of the last day.", count)
                    % {"count": count}
                    + f" {error}"
                ).strip(),
                at=newest,
                is_new=look.is_new(newest),
            )
            for channel, name, error, count, newest in found[:SHOWN]
        ],
        count=len(found),
        url=url,
    )
