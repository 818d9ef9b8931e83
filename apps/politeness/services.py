"""What is done about sites."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.politeness.models import Circuit, RobotsFile, Site


@transaction.atomic
def close_circuits(site: Site, *, actor: User | None, source: str, now: datetime) -> int:
    """Let requests through again; how many ways were closed to them."""
    closed = Circuit.objects.filter(site=site, is_open=True).update(is_open=False, probe_until=0)
    if closed:
        Site.objects.filter(pk=site.pk).update(circuits=F("circuits") + 1)
        record("site.circuits_closed", site.name, source=source, actor=actor, now=now, obj=site, count=closed)
    return closed


@transaction.atomic
def forget_robots(site: Site, *, actor: User | None, source: str, now: datetime) -> int:
    """Have the robots.txt of a site asked for again. Processes that have read it keep it until they end."""
    count = RobotsFile.objects.filter(site=site).delete()[0]
    record("site.robots_forgotten", site.name, source=source, actor=actor, now=now, obj=site)
    return count
