"""Reads: why a provider has nothing to give, and what its ways out are like."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, Verdict


def why_none(provider: Provider, domain: str, *, now: datetime) -> str:
    """Why `provider` has no address for `domain` now, as a sentence."""
    rows = list(ProxyExit.objects.filter(provider=provider).values_list("verdict", "address", "said"))
    busy = ProxyReservation.objects.filter(domain=domain, free_at__gt=now, ip__in={ip for _, ip, _ in rows if ip})
    taken = dict(busy.values_list("ip", "released_at"))
    banned = set(ProxyBan.objects.filter(domain=domain, until__gt=now).values_list("ip", flat=True))
    counts: Counter[str] = Counter()
    said = ""
    for verdict, address, words in rows:
        if verdict != Verdict.GOOD:
            counts[Verdict(verdict).word] += 1
            said = said or words
        elif address in banned:
            counts["banned"] += 1
        elif address in taken:
            counts["held by others" if taken[address] is None else "resting"] += 1
        else:
            counts["to be judged again"] += 1
    told = ", ".join(f"{count} {what}" for what, count in counts.most_common()) or "it has none"
    return f"{provider.name}: {told}." + (f" {said}" if said else "")
