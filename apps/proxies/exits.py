"""Ways out: those that a provider has, what judges said of them, and which are to be judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, Verdict
from collectors.toolkit.http.judging import Judgement
from collectors.toolkit.http.providers import ProxyProvider

#: One that failed is judged again after a random time of at most this, doubled for each failure in a row.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 3600.0
#: Who lies does not begin to tell the truth in an hour.
LIAR_PAUSE = timedelta(days=1)
#: Whoever is about to judge one keeps others from it for so long.
CLAIM = timedelta(seconds=45)


def sync_exits(provider: Provider, offer: ProxyProvider, *, now: datetime) -> None:
    """Make the rows of a list say what the list says. A gateway's sessions come as they are opened."""
    sessions = offer.sessions()
    if sessions is None:
        return
    known = set(ProxyExit.objects.filter(provider=provider).values_list("session", flat=True))
    new = [session for session in sessions if session not in known]
    ProxyExit.objects.bulk_create(
        [
            ProxyExit(provider=provider, session=session, label=offer.proxy(session).label[:200], next_judge_at=now)
            for session in new
        ],
        ignore_conflicts=True,
    )
    if gone := known - set(sessions):
        ProxyExit.objects.filter(provider=provider, session__in=gone).delete()


def open_session(provider: Provider, offer: ProxyProvider, *, now: datetime) -> ProxyExit:
    """A new session of a gateway, which its caller is about to judge."""
    session = offer.new_session()
    return ProxyExit.objects.create(
        provider=provider, session=session, label=offer.proxy(session).label[:200], next_judge_at=now + CLAIM
    )


def is_resting(provider: Provider, *, now: datetime) -> bool:
    """Whether the newest session of a gateway failed so shortly ago that another one would too."""
    newest = ProxyExit.objects.filter(provider=provider).order_by("-id").values_list("verdict", "next_judge_at").first()
    return (
        newest is not None
        and newest[0] in (Verdict.FAILED, Verdict.REFUSED)
        and newest[1] is not None
        and newest[1] > now
    )


def claim_stale(
    provider: Provider, *, now: datetime, fresh_since: datetime, limit: int, domain: str = ""
) -> list[ProxyExit]:
    """Ways out whose verdict is too old, or that failed and may be tried again; nobody else judges them meanwhile.

    With `domain` only those whose address, as far as it is known, is neither held nor banned there.
    """
    stale = _due(now).filter(provider=provider).exclude(verdict=Verdict.GOOD, judged_at__gt=fresh_since)
    if domain:
        stale = stale.exclude(Q(address__in=_busy(domain, now)) & ~Q(address=""))
    claimed: list[ProxyExit] = []
    for row in stale.order_by(F("judged_at").asc(nulls_first=True), "id")[: 4 * limit]:
        if len(claimed) < limit and _due(now).filter(pk=row.pk).update(next_judge_at=now + CLAIM):
            claimed.append(row)
    return claimed


def _due(now: datetime) -> QuerySet[ProxyExit]:
    return ProxyExit.objects.filter(Q(next_judge_at__isnull=True) | Q(next_judge_at__lte=now))


def _busy(domain: str, now: datetime) -> Sequence[str]:
    held = ProxyReservation.objects.filter(domain=domain, free_at__gt=now).values_list("ip", flat=True)
    banned = ProxyBan.objects.filter(domain=domain, until__gt=now).values_list("ip", flat=True)
    return [*held, *banned]


def note_judgement(exit_id: int, judgement: Judgement, *, now: datetime) -> None:
    """Write down what the judges said."""
    verdict = Verdict(judgement.verdict)
    rows = ProxyExit.objects.filter(pk=exit_id)
    if verdict == Verdict.GOOD:
        values = {"failures": 0, "next_judge_at": None, "address": judgement.address}
        rows.update(verdict=verdict, said=judgement.said[:1000], judged_at=now, **values)
        return
    failures = rows.values_list("failures", flat=True).first() or 0
    rows.update(
        verdict=verdict,
        said=judgement.said[:1000],
        judged_at=now,
        failures=failures + 1,
        next_judge_at=now + pause_after(verdict, failures + 1),
    )


def note_fault(exit_id: int, said: str, *, now: datetime) -> None:
    """Somebody's request found the proxy broken: it is judged again before anybody gets it, and soon."""
    wait = timedelta(seconds=random.uniform(1.0, FIRST_PAUSE_S))  # noqa: S311 - so that not all come back at once
    ProxyExit.objects.filter(pk=exit_id).update(
        verdict=Verdict.FAILED, said=said[:1000], failures=F("failures") + 1, next_judge_at=now + wait
    )


def pause_after(verdict: Verdict, failures: int) -> timedelta:
    """How long one that failed so many times in a row is left alone: random, so that not all come back at once."""
    if verdict == Verdict.LIES:
        return LIAR_PAUSE
    most = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
    return timedelta(seconds=random.uniform(most / 2, most))  # noqa: S311 - as above
