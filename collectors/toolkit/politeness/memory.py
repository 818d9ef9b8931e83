"""A ledger of one process: for scripts, for tests, and for a platform whose database does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from collectors.toolkit.politeness.circuits import PROBE_S, open_s
from collectors.toolkit.politeness.ledger import Bid, Circuit, Entry, RobotsText, Slot, Way
from collectors.toolkit.politeness.pauses import ONE_COMPLAINT_S, Why, grown, margin, shrunk


@dataclass(slots=True)
class _Site:
    slot_at: float = 0.0
    next_at: float = 0.0
    rest_until: float = 0.0
    penalty_s: float = 0.0
    penalty_at: float = -ONE_COMPLAINT_S
    latency_s: float = 0.0
    circuits: int = 0
    places: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Cut:
    until: float
    why: str
    trips: int
    probe_until: float = 0.0


class MemoryLedger:
    """See `Ledger`. `at_once` limits the requests that are under way at each site; 0: any number."""

    def __init__(self, *, at_once: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at_once = at_once
        self._sites: dict[str, _Site] = {}
        self._cuts: dict[Way, _Cut] = {}
        self._robots: dict[str, tuple[RobotsText, float]] = {}
        self._lock = threading.Lock()

    def take(self, bid: Bid) -> Slot:
        """See `Ledger`."""
        with self._lock:
            site, now = self._sites.setdefault(bid.site, _Site()), self._clock()
            _hear(site, bid.answered, bid.latency_s)
            low = max(bid.low_s, bid.crawl_s)
            high = max(bid.high_s, low)
            least, rest = low + margin(low), max(0.0, site.rest_until - now)
            wait = 0.0
            if rest <= bid.longest_s:
                site.slot_at = max(now, site.next_at, site.slot_at + least if site.slot_at else now, site.rest_until)
                site.next_at = site.slot_at + least + bid.luck * (high - low) + site.penalty_s
                wait = site.slot_at - now
            most = high + margin(low) + site.penalty_s
            return Slot(
                wait_s=wait,
                rest_s=rest,
                least_s=least,
                most_s=most,
                is_shared=False,
                latency_s=site.latency_s,
                at_once=self._at_once,
                circuits=site.circuits,
            )

    def confirm(self, site: str, least_s: float) -> float:
        """See `Ledger`; who is alone has nobody before it but those it knows of."""
        with self._lock:
            return max(0.0, self._sites.setdefault(site, _Site()).rest_until - self._clock())

    def slow_down(self, site: str, why: Why, *, factor: float, rest_s: float = 0.0) -> None:
        """See `Ledger`."""
        with self._lock:
            row, now = self._sites.setdefault(site, _Site()), self._clock()
            if now - row.penalty_at >= ONE_COMPLAINT_S:
                row.penalty_s, row.penalty_at = grown(row.penalty_s, factor), now
            row.rest_until = max(row.rest_until, now + rest_s)
            row.next_at = max(row.next_at, row.slot_at + row.penalty_s)

    def lend(self, site: str, at_once: int, seconds: float) -> Any:
        """See `Ledger`."""
        with self._lock:
            places, now = self._sites.setdefault(site, _Site()).places, self._clock()
            free = next((number for number in range(at_once) if places.get(number, 0.0) <= now), None)
            if free is None:
                return None
            places[free] = now + seconds
            return site, free, places[free]

    def give_back(self, place: Any) -> None:
        """See `Ledger`. A place whose time was over may be somebody else's."""
        site, number, until = place
        with self._lock:
            places = self._sites[site].places
            if places.get(number) == until:
                del places[number]

    def robots(self, origin: str) -> RobotsText | None:
        """See `Ledger`."""
        with self._lock:
            found = self._robots.get(origin)
            return None if found is None else RobotsText(found[0].status, found[0].text, self._clock() - found[1])

    def keep_robots(self, site: str, origin: str, found: RobotsText, crawl_s: float) -> None:
        """See `Ledger`."""
        with self._lock:
            self._robots[origin] = found, self._clock()

    def open_circuits(self, site: str) -> Collection[Circuit]:
        """See `Ledger`."""
        with self._lock:
            now = self._clock()
            return [Circuit(way, cut.until - now, cut.why) for way, cut in self._cuts.items() if way.site == site]

    def enter(self, way: Way) -> Entry:
        """See `Ledger`."""
        with self._lock:
            cut, now = self._cuts.get(way), self._clock()
            if cut is None:
                return Entry(is_open=False)
            if now < cut.until or now < cut.probe_until:
                return Entry(is_open=True, left_s=max(cut.until, cut.probe_until) - now, why=cut.why)
            cut.probe_until = now + PROBE_S
            return Entry(is_open=False)

    def trip(self, way: Way, why: str) -> None:
        """See `Ledger`."""
        with self._lock:
            now, before = self._clock(), self._cuts.get(way)
            if before is None or now >= before.until:
                trips = 1 if before is None else before.trips + 1
                self._cuts[way] = _Cut(now + open_s(trips), why, trips)
                self._sites.setdefault(way.site, _Site()).circuits += 1

    def close_circuit(self, way: Way) -> None:
        """See `Ledger`."""
        with self._lock:
            if self._cuts.pop(way, None) is not None:
                self._sites.setdefault(way.site, _Site()).circuits += 1

    def settle(self, site: str, answered: int, latency_s: float) -> None:
        """See `Ledger`."""
        with self._lock:
            _hear(self._sites.setdefault(site, _Site()), answered, latency_s)

    def close(self) -> None:
        """Nothing is open."""


def _hear(site: _Site, answered: int, latency_s: float) -> None:
    if answered:
        site.penalty_s = shrunk(site.penalty_s, answered)
        usual = site.latency_s
        site.latency_s = latency_s if not usual else usual + (latency_s - usual) * min(1.0, 0.05 * answered)
