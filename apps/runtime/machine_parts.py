"""Machines on the System page: the disk, the memory and the journals of each, as its manager wrote them down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from apps.core.clock import utc_now
from apps.core.templatetags.facts import size
from apps.runtime.machine import Vitals, measure_machine, vitals_of
from apps.runtime.node_models import Node
from apps.runtime.parts import Part, Section, Standing
from apps.runtime.process import node_name

#: Of a disk or a memory, the share that is free: below the first it is nearly full, below the second full.
NEARLY_FULL, FULL = 0.10, 0.03
#: Of journals, the bytes that are not in the database: a shipper moves more than that in a second.
MUCH, TOO_MUCH = 20 * 1024**2, 500 * 1024**2


def machine_sections(nodes: Sequence[Node], *, now: datetime) -> list[Section]:
    """This machine, measured now, and those of other managers that are alive."""
    here = node_name()
    machines = {node.host: (vitals_of(node.vitals), node.heartbeat_at) for node in nodes if node.lease_until > now}
    machines[here] = (measure_machine(), utc_now())
    return [
        Section(_("Machine %(name)s") % {"name": host}, tuple(_parts(host, *machines[host])))
        for host in sorted(machines, key=lambda host: (host != here, host))
    ]


def _parts(host: str, vitals: Vitals, at: datetime) -> Iterator[Part]:
    step = _("Free space, or lower what retention keeps (docs/settings.md): on a full disk lines are lost.")
    yield _share("disk", _("Disk of the data folder"), vitals.disk_free, vitals.disk_total, step, host, at)
    step = _("Lower DC_RUN_SLOTS, or set memory limits on the pages of apps.")
    yield _share("memory", _("Memory"), vitals.memory_free, vitals.memory_total, step, host, at)
    yield _journals(vitals.journal_backlog, host, at)


def _share(name: str, title: str, free: int | None, total: int | None, step: str, host: str, at: datetime) -> Part:
    if free is None or not total:
        said = _("The machine does not say.")
        return Part(name=name, title=title, standing=Standing.UNKNOWN, said=said, measured_at=at, machine=host)
    share = free / total
    standing = Standing.FAILED if share < FULL else Standing.LATE if share < NEARLY_FULL else Standing.OK
    said = _("%(free)s of %(total)s free (%(percent).0f %%).") % {
        "free": size(free),
        "total": size(total),
        "percent": 100 * share,
    }
    step = "" if standing == Standing.OK else step
    return Part(name=name, title=title, standing=standing, said=said, measured_at=at, step=step, machine=host)


def _journals(backlog: int | None, host: str, at: datetime) -> Part:
    title = _("Lines on their way")
    if backlog is None:
        said = _("Its manager has not said it yet.")
        return Part(name="journals", title=title, standing=Standing.UNKNOWN, said=said, measured_at=at, machine=host)
    standing = Standing.FAILED if backlog > TOO_MUCH else Standing.LATE if backlog > MUCH else Standing.OK
    said = _("%(size)s in journals wait for the database.") % {"size": size(backlog)}
    step = "" if standing == Standing.OK else _("If this grows for minutes, see the log of its manager.")
    return Part(name="journals", title=title, standing=standing, said=said, measured_at=at, step=step, machine=host)
