"""What keeps the platform in order, on the System page: sinks of log lines, retention, and one version everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.templatetags.facts import span
from apps.logs.models import SinkCursor
from apps.logs.retention_models import SweptTable
from apps.logs.router import sink_names
from apps.runtime.node_models import Node
from apps.runtime.parts import Part, Section, Standing
from collectors import __version__

#: Retention sweeps once a day.
LATE_SWEEP = timedelta(hours=36)
#: A sink that is well sends every second.
LATE_SINK = timedelta(minutes=5)


def upkeep_section(nodes: Sequence[Node], *, now: datetime) -> Section:
    """Everything that nobody misses until it has stood still for days."""
    return Section(_("Upkeep"), (*_sinks(now), _retention(now), _versions(nodes, now)))


def _sinks(now: datetime) -> Iterator[Part]:
    behind = SinkCursor.objects.filter(is_done=False, journal__sealed_at__isnull=False)
    failing = dict(
        SinkCursor.objects.filter(is_done=False, failures__gt=0).values_list("sink").annotate(error=Max("last_error"))
    )
    waiting = {
        sink: (count, oldest)
        for sink, count, oldest in behind.values_list("sink").annotate(Count("pk"), Min("journal__sealed_at"))
    }
    url = reverse("admin:logs_sinkcursor_changelist")
    for name in sorted({*sink_names(), *failing, *waiting}):
        count, oldest = waiting.get(name, (0, None))
        standing, step = Standing.OK, ""
        said = ngettext(
            "%(count)s journal that has ended is not sent yet.", "%(count)s journals that have ended are not sent yet.",
            count,
        ) % {"count": count}  # fmt: skip
        if name in failing:
            standing, step = Standing.FAILED, _("Mend its address or token (docs/logging.md); lines wait meanwhile.")
            said += " " + _("It refuses: %(reason)s") % {"reason": failing[name]}
        elif oldest is not None and now - oldest > LATE_SINK:
            standing = Standing.LATE
            said += " " + _("The oldest waits since %(span)s.") % {"span": span((now - oldest).total_seconds())}
        title = _("Log sink %(name)s") % {"name": name}
        yield Part(name="sink", title=title, standing=standing, said=said, measured_at=now, step=step, url=url)
    if not sink_names() and not failing and not waiting:
        said = _("None is set up; lines are kept in the database alone.")
        yield Part(name="sink", title=_("Log sinks"), standing=Standing.OK, said=said, measured_at=now, url=url)


def _retention(now: datetime) -> Part:
    title, url = _("Retention"), reverse("admin:logs_swepttable_changelist")
    # A sweep that finds nothing to delete still counts, at its end, what goes next.
    found = SweptTable.objects.aggregate(swept=Max("swept_at"), counted=Max("due_at"))
    swept_at = max(filter(None, found.values()), default=None)
    if swept_at is None:
        said = _("It has not swept yet; it does so once a day.")
        return Part(name="retention", title=title, standing=Standing.UNKNOWN, said=said, measured_at=now, url=url)
    said = _("It swept %(span)s ago.") % {"span": span((now - swept_at).total_seconds())}
    is_late = now - swept_at > LATE_SWEEP
    step = _("See whether a worker runs, or sweep by hand: manage.py sweep.") if is_late else ""
    standing = Standing.LATE if is_late else Standing.OK
    return Part(name="retention", title=title, standing=standing, said=said, measured_at=swept_at, step=step, url=url)


def _versions(nodes: Sequence[Node], now: datetime) -> Part:
    others = sorted({node.version for node in nodes if node.version and node.version != __version__})
    title, step, standing = _("Versions"), "", Standing.OK
    said = _("%(version)s everywhere.") % {"version": __version__}
    if others:
        standing, step = Standing.LATE, _("Start the processes of the older version again.")
        said = _("Web is %(version)s, managers also %(others)s.") % {
            "version": __version__,
            "others": ", ".join(others),
        }
    return Part(name="versions", title=title, standing=standing, said=said, measured_at=now, step=step)
