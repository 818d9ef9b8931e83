"""What requests by proxies came to, summed up in the process that makes them and written down now and then."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F

from apps.proxies.models import ProxyTarget
from collectors.toolkit.http.observing import Attempt
from collectors.toolkit.http.providers import Price

#: What a request counts for after one more, in the recent share of success.
MEMORY = 0.98


@dataclass(slots=True)
class Sum:
    """Of some requests to one site by one provider."""

    requests: int = 0
    succeeded: int = 0
    rotated: int = 0
    recent: float = 0.0
    """The newest weigh most; together they weigh 1 - MEMORY ** requests."""
    sent: int = 0
    received: int = 0
    last_error: str = ""

    def add(self, attempt: Attempt, *, rotates: bool) -> None:
        """One more."""
        is_good = attempt.error is None
        self.requests += 1
        self.succeeded += is_good
        self.rotated += rotates
        self.recent = MEMORY * self.recent + (1 - MEMORY) * is_good
        self.sent += attempt.sent
        self.received += attempt.received
        if attempt.error is not None:
            self.last_error = str(attempt.error)[:300]


class Tallies:
    """The sums of one process. Thread-safe."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str], Sum] = {}
        self._lock = threading.Lock()

    def add(self, provider_id: int, domain: str, attempt: Attempt, *, rotates: bool) -> None:
        """Count a request."""
        with self._lock:
            self._sums.setdefault((provider_id, domain), Sum()).add(attempt, rotates=rotates)

    def take(self) -> dict[tuple[int, str], Sum]:
        """What was counted since the last time."""
        with self._lock:
            taken, self._sums = self._sums, {}
        return taken

    def put_back(self, sums: dict[tuple[int, str], Sum]) -> None:
        """They could not be written down: next time."""
        with self._lock:
            for key, older in sums.items():
                newer = self._sums.get(key)
                self._sums[key] = older if newer is None else _joined(older, newer)


def _joined(older: Sum, newer: Sum) -> Sum:
    return Sum(
        requests=older.requests + newer.requests,
        succeeded=older.succeeded + newer.succeeded,
        rotated=older.rotated + newer.rotated,
        recent=older.recent * MEMORY**newer.requests + newer.recent,
        sent=older.sent + newer.sent,
        received=older.received + newer.received,
        last_error=newer.last_error or older.last_error,
    )


def write_down(provider_id: int, domain: str, found: Sum, price: Price, *, now: datetime) -> None:
    """Add a sum to the row of its site; each column in the statement itself, so that no process undoes another's."""
    row, _ = ProxyTarget.objects.get_or_create(
        provider_id=provider_id, domain=domain, defaults={"first_used_at": now, "last_used_at": now}
    )
    cost: Decimal = price.of(requests=found.requests, size=found.sent + found.received)
    values = {"last_error": found.last_error} if found.last_error else {}
    # The first requests weigh as much as all that are to come would: a new site is not a bad one.
    weight = MEMORY**found.requests if row.requests else 0.0
    fresh = found.recent if row.requests else found.recent / (1 - MEMORY**found.requests)
    ProxyTarget.objects.filter(pk=row.pk).update(
        requests=F("requests") + found.requests,
        succeeded=F("succeeded") + found.succeeded,
        rotated=F("rotated") + found.rotated,
        recent=F("recent") * weight + fresh,
        bytes_sent=F("bytes_sent") + found.sent,
        bytes_received=F("bytes_received") + found.received,
        cost=F("cost") + cost,
        last_used_at=now,
        **values,
    )
