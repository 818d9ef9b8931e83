"""Judging what nobody uses at the moment, so that it is known before somebody needs it. In a worker."""

from __future__ import annotations

import time
from datetime import timedelta

from apps.core.clock import utc_now
from apps.proxies import exits
from apps.proxies.court import court
from apps.proxies.models import Provider, ProxyExit, ProxyReservation
from apps.proxies.offers import offer_of
from collectors.toolkit.http.judging import Court
from collectors.toolkit.http.providers import BadProvider, ProxyProvider

#: A verdict on a way out that nobody uses is looked at again after this.
IDLE = timedelta(hours=1)
#: A judge that takes longer is passed over here.
JUDGE_S = 4.0
#: Sessions of gateways that nobody has used since are forgotten.
FORGET = timedelta(days=1)


def judge_idle(*, max_seconds: float) -> bool:
    """Judge ways out whose verdict is old, for about so long; whether any may be left."""
    end, bench = time.monotonic() + max_seconds, court(seconds=JUDGE_S)
    for provider in Provider.objects.filter(is_active=True):
        try:
            offer = offer_of(provider)
        except BadProvider:
            continue  # Home says so
        exits.sync_exits(provider, offer, now=utc_now())
        while claimed := _claim(provider, offer):
            for row in claimed:
                _judge(bench, offer, row)
            if time.monotonic() >= end:
                return True
    return False


def _claim(provider: Provider, offer: ProxyProvider) -> list[ProxyExit]:
    now = utc_now()
    if offer.sessions() is None:
        known = ProxyExit.objects.filter(provider=provider, judged_at__gt=now - IDLE, verdict="GOOD")
        if known.exists() or exits.is_resting(provider, now=now):
            return []
        return [exits.open_session(provider, offer, now=now)]
    return exits.claim_stale(provider, now=now, fresh_since=now - IDLE, limit=1)


def _judge(bench: Court, offer: ProxyProvider, row: ProxyExit) -> None:
    try:
        proxy = offer.proxy(row.session)
    except BadProvider:
        return  # it was taken out of the list meanwhile
    exits.note_judgement(row.pk, bench.judge(proxy), now=utc_now())


def forget_sessions() -> int:
    """Old sessions of gateways go; the leases that were made of them stay. How many went."""
    gateways = Provider.objects.filter(kind=Provider.Kind.BRIGHTDATA)
    held = ProxyReservation.objects.open().filter(exit__isnull=False).values("exit")
    old = ProxyExit.objects.filter(provider__in=gateways, created_at__lt=utc_now() - FORGET).exclude(pk__in=held)
    return old.delete()[0]
