"""Rows in quarantine, and datasets that were not stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import may, narrow
from apps.core.attention import SHOWN, Item, Look, Need
from apps.quality.models import Dataset, Outcome, QuarantinedRow
from apps.registry.models import App

#: A dataset is stale when nothing was stored for so many intervals of its app, and for so long at least.
INTERVALS, LEAST = 3, timedelta(hours=1)
#: More datasets than these are not looked through at each load.
MOST = 2_000


def find_needs(look: Look) -> Iterator[Need]:
    """Blocked ones, stale ones, rows that were put aside."""
    datasets = narrow(look.asker, "quality.view_dataset", Dataset.objects.select_related("app"))
    blocked = list(datasets.filter(outcome=Outcome.BLOCK).order_by("-judged_at")[:MOST])
    step = _("Look at its last merge: mend the source, or let the next merge through if it is right.")
    if not may(look.asker, "quality.add_letthrough"):
        step = _("The page of the dataset says which rule it broke.")
    items = [_item(look, one, one.cause or _("Its last merge was blocked."), one.judged_at) for one in blocked[:SHOWN]]
    yield _need("blocked", _("Merges that were blocked"), "danger", "rule", step, items, len(blocked))

    stale = [one for one in _old(datasets, look) if one not in blocked]
    text = _("Nothing was stored for three of its intervals.")
    step = _("See why the runs of its app store nothing.")
    items = [_item(look, one, text, one.good_at) for one in stale[:SHOWN]]
    yield _need("stale", _("Datasets that are not fresh"), "warning", "history", step, items, len(stale))
    yield from _quarantine(look)


def _old(datasets: object, look: Look) -> list[Dataset]:
    overdue = datasets.filter(  # type: ignore[attr-defined]
        app__is_enabled=True, app__schedule=App.Schedule.INTERVAL, good_at__lt=look.now - LEAST
    )
    return [
        one
        for one in overdue.order_by("good_at")[:MOST]
        if one.app and look.now - one.good_at > INTERVALS * timedelta(seconds=one.app.interval_s or 0)
    ]


def _need(name: str, title: str, colour: str, icon: str, step: str, items: list[Item], count: int) -> Need:
    url = reverse("admin:quality_dataset_changelist")
    return Need(name=name, title=title, colour=colour, icon=icon, step=step, items=items, count=count, url=url)


def _item(look: Look, one: Dataset, said: str, at: object) -> Item:
    moment = one.judged_at if at is one.judged_at else one.good_at
    return Item(
        subject=one.label,
        url=reverse("admin:quality_dataset_change", args=[one.pk]),
        said=said,
        at=moment,
        is_new=at is one.judged_at and look.is_new(moment),
    )


def _quarantine(look: Look) -> Iterator[Need]:
    rows = narrow(look.asker, "quality.view_quarantinedrow", QuarantinedRow.objects.all())
    held = rows.filter(state=QuarantinedRow.State.HELD).order_by().values_list("dataset", "dataset__label")
    found = sorted(held.annotate(Count("pk"), Max("quarantined_at")), key=lambda row: row[3], reverse=True)
    url = reverse("admin:quality_quarantinedrow_changelist")
    step = _("Look at the rows; replay them when their rule or their source is mended, or discard them.")
    if not may(look.asker, "quality.change_quarantinedrow"):
        step = _("Each row says which rule put it aside.")
    yield Need(
        name="quarantine",
        title=_("Rows in quarantine"),
        colour="warning",
        icon="inventory_2",
        step=step,
        items=[
            Item(
                subject=label,
                url=f"{url}?dataset__id__exact={dataset}",
                said=ngettext("%(count)s row waits for a decision.", "%(count)s rows wait for a decision.", count)
                % {"count": count},
                at=newest,
                is_new=look.is_new(newest),
            )
            for dataset, label, count, newest in found[:SHOWN]
        ],
        count=len(found),
        url=url,
    )
