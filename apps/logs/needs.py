"""Errors in the inbox."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Window
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import everywhere
from apps.core.attention import SHOWN, Item, Look, Need
from apps.core.templatetags.facts import number
from apps.logs.group_models import ErrorGroup
from apps.logs.groups import in_inbox

SEE, ACT = "logs.view_log", "runtime.add_command"


def find_needs(look: Look) -> Iterator[Need]:
    """The latest ones. The inbox is one for all apps, so a role for some of them does not open it."""
    if not everywhere(look.asker, SEE):
        return
    groups = ErrorGroup.objects.filter(in_inbox(now=look.now)).annotate(all_count=Window(Count("*")))
    found = list(groups.order_by("-last_seen_at", "fingerprint")[:SHOWN])
    if not found:
        return
    step = _("Open an error to see its lines.")
    if everywhere(look.asker, ACT):
        step = _("Open an error to see its lines; take it, snooze it, or call it resolved.")
    yield Need(
        name="errors",
        title=_("Errors that nobody has settled"),
        colour="warning",
        icon="bug_report",
        step=step,
        items=[
            Item(
                subject=group.title,
                url=reverse("admin:logs_errorgroup_change", args=[group.pk]),
                said=ngettext("once", "%(count)s times", group.count) % {"count": number(group.count)},
                at=group.last_seen_at,
                is_new=look.is_new(group.first_seen_at),
            )
            for group in found
        ],
        count=found[0].all_count,
        url=reverse("admin:logs_errorgroup_changelist"),
    )
