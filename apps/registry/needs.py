"""Apps that the platform disabled by itself."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Window
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import may, narrow
from apps.core.attention import SHOWN, Item, Look, Need
from apps.registry.models import App


def find_needs(look: Look) -> Iterator[Need]:
    """Each with its reason; an app on trial waits for its next run to decide."""
    apps = narrow(look.asker, "registry.view_app", App.objects.exclude(fatal=App.Fatal.NONE))
    found = list(apps.annotate(all_count=Window(Count("*"))).order_by("-fatal_at", "code")[:SHOWN])
    if not found:
        return
    step = _("Repair the source, then enable the app on its page: its next run decides.")
    if not any(may(look.asker, "registry.change_app", app) for app in found):
        step = _("An operator repairs and enables it; its page says what went wrong.")
    yield Need(
        name="disabled",
        title=_("Disabled by the platform"),
        colour="danger",
        icon="block",
        step=step,
        items=[
            Item(
                subject=app.code,
                url=reverse("admin:registry_app_change", args=[app.pk]),
                said=app.fatal_reason or _("It left no reason."),
                at=app.fatal_at,
                note=_("on trial") if app.is_enabled else "",
                is_new=look.is_new(app.fatal_at),
            )
            for app in found
        ],
        count=found[0].all_count,
        url=reverse("admin:registry_app_changelist"),
    )
