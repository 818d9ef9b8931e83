"""What people do about leases, bans and ways out, with its entry in the audit."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.audit import record
from apps.accounts.changes import change_each, note_each
from apps.accounts.models import User
from apps.proxies import banning, leasing
from apps.proxies.models import ProxyBan, ProxyExit, ProxyReservation


@transaction.atomic
def release_leases(rows: QuerySet[ProxyReservation], *, actor: User | None, source: str, now: datetime) -> int:
    """Take addresses away from whoever has them; how many that were. Holders notice at their next renewal."""
    count = 0
    # By the token that was seen: what somebody else has taken meanwhile is not meant.
    for row in list(rows.filter(released_at__isnull=True)):
        if leasing.release(row.token, now=now, ended_as=ProxyReservation.End.BY_HAND):
            about = {"run": row.runtime, "app_code": row.app}
            record("lease.released", str(row), source=source, actor=actor, now=now, obj=row, **about)
            count += 1
    return count


@transaction.atomic
def ban_address(ip: str, domain: str, *, reason: str, actor: User | None, source: str, now: datetime) -> ProxyBan:
    """Ban an address from a site, as a failure would; who has it is to give it back."""
    level = banning.strike(ip, domain, reason=reason, now=now)
    ban = ProxyBan.objects.get(ip=ip, domain=domain)
    after = {"level": level, "until": ban.until}
    record("ban.added", str(ban), source=source, actor=actor, now=now, obj=ban, after=after, reason=reason)
    release_leases(ProxyReservation.objects.filter(ip=ip, domain=domain), actor=actor, source=source, now=now)
    return ban


def lift_bans(rows: QuerySet[ProxyBan], *, actor: User | None, source: str, now: datetime) -> int:
    """End bans now; how many that were. The next failure goes on from their level, after a while."""
    banned = rows.filter(until__gt=now)
    return change_each(banned, {"until": now}, action="ban.lifted", actor=actor, source=source, now=now)


@transaction.atomic
def request_judgement(rows: QuerySet[ProxyExit], *, actor: User | None, source: str, now: datetime) -> int:
    """Have ways out judged before anybody gets them again; a worker does it within a minute."""
    chosen = list(rows)
    ProxyExit.objects.filter(pk__in=[row.pk for row in chosen]).update(judged_at=None, next_judge_at=now)
    note_each(chosen, "exit.judgement_requested", actor=actor, source=source, now=now)
    return len(chosen)
