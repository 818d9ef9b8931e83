"""Apps whose last run went wrong, and parts of the platform that are not well."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, OuterRef, Subquery, Window
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import everywhere, may, narrow
from apps.core.attention import SHOWN, Item, Look, Need
from apps.registry.models import App
from apps.runtime.days import TELLING, WRONG
from apps.runtime.models import Runtime, State
from apps.runtime.system import read_system

#: Home does not wait for parts that have been asked already: what they said last is a few seconds old.
PATIENCE_S = 0.15


def find_needs(look: Look) -> Iterator[Need]:
    """The parts first: without them nothing else gets better."""
    if everywhere(look.asker, "runtime.view_node"):
        yield from _parts()
    yield from _failures(look)


def _parts() -> Iterator[Need]:
    parts = [part for part in read_system(patience_s=PATIENCE_S).parts if part.is_bad]
    yield Need(
        name="parts",
        title=_("Parts of the platform"),
        colour="danger",
        icon="monitor_heart",
        step=_("The System page says of each part how it is and what to do."),
        items=[
            Item(
                subject=part.title,
                url=part.url or reverse("admin:system"),
                said=f"{part.said} {part.step}".strip(),
                at=part.measured_at,
                note=part.machine,
            )
            for part in parts[:SHOWN]
        ],
        count=len(parts),
        url=reverse("admin:system"),
    )


def _failures(look: Look) -> Iterator[Need]:
    """The last telling run of each app, where it went wrong; without apps that the platform disabled for it."""
    apps = narrow(look.asker, "registry.view_app", App.objects.filter(fatal=App.Fatal.NONE))
    told = Runtime.objects.filter(app=OuterRef("pk"), state__in=TELLING).order_by("-queued_at", "-id")
    # Its state first: then a run is looked up for the few apps whose last one went wrong, and not for each.
    apps = apps.annotate(last_state=Subquery(told.values("state")[:1])).filter(last_state__in=WRONG)
    last_runs = apps.annotate(last_run=Subquery(told.values("pk")[:1])).values("last_run")
    runs = narrow(look.asker, "runtime.view_runtime", Runtime.objects.select_related("app"))
    wrong = runs.filter(pk__in=last_runs).annotate(all_count=Window(Count("*")))
    found = list(wrong.order_by("-ended_at", "-id")[:SHOWN])
    if not found:
        return
    step = _("The page of the run says the cause; repair it, then run the app again.")
    if not any(may(look.asker, "runtime.add_command", run) for run in found):
        step = _("The page of the run says the cause and has its log.")
    yield Need(
        name="failed",
        title=_("Last run went wrong"),
        colour="danger",
        icon="error",
        step=step,
        items=[
            Item(
                subject=run.app.code,
                url=reverse("admin:registry_app_change", args=[run.app_id]),
                said=run.cause or _("It left no cause."),
                at=run.ended_at,
                at_url=reverse("admin:runtime_runtime_change", args=[run.pk]),
                note=str(State(run.state).label) + ("" if run.app.is_enabled else ", " + _("disabled")),
                is_new=look.is_new(run.ended_at),
            )
            for run in found
        ],
        count=found[0].all_count,
        url=reverse("admin:runtime_runtime_changelist") + "?state=wrong",
    )
