"""What one process knows of the sites it fetches from, without asking."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from collectors.toolkit.politeness.ledger import Way
from collectors.toolkit.politeness.robots import Robots

#: Files of so many hosts are kept in a process.
MOST_ROBOTS = 500
#: Slow is what takes so many times as long as usual, and so many seconds at least, so many times in a row.
SLOW_TIMES, SLOW_S, SLOW_IN_A_ROW = 3.0, 1.0, 3


class Knowledge:
    """Thread-safe where two threads could be told the same thing."""

    def __init__(self) -> None:
        self.free_until: dict[str, float] = {}
        """Site -> until then it has no pause."""
        self.usual_s: dict[str, float] = {}
        self.circuits: dict[str, int] = {}
        self.cut: set[Way] = set()
        self.robots: dict[str, tuple[Robots, float]] = {}
        self.sites: set[str] = set()
        self._sent: dict[str, float] = {}
        self._failures: Counter[Way] = Counter()
        self._slow: Counter[str] = Counter()
        self._heard: defaultdict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def too_soon_s(self, site: str, least_s: float, now: float) -> float:
        """How long it is too early for the next request of this process; 0: it goes now."""
        with self._lock:
            left = self._sent.get(site, now - least_s) + least_s - now
            if left <= 1e-6:
                self._sent[site] = now
                return 0.0
            return left

    def tidings(self, site: str) -> tuple[int, float]:
        """How many answers came since the last time, and how long they took on average."""
        with self._lock:
            self.sites.add(site)
            heard = self._heard.pop(site, [])
        return len(heard), sum(heard) / len(heard) if heard else 0.0

    def answered(self, way: Way, elapsed_s: float) -> None:
        """The way works."""
        with self._lock:
            self._heard[way.site].append(elapsed_s)
            self._failures.pop(way, None)

    def failed(self, way: Way) -> int:
        """It did not work; so many times in a row."""
        with self._lock:
            self._failures[way] += 1
            return self._failures[way]

    def has_slowed(self, site: str, elapsed_s: float) -> bool:
        """Whether answers have become slow, with this one."""
        usual_s = self.usual_s.get(site, 0.0)
        with self._lock:
            if not usual_s or elapsed_s < max(SLOW_S, SLOW_TIMES * usual_s):
                self._slow.pop(site, None)
                return False
            self._slow[site] += 1
            return self._slow[site] % SLOW_IN_A_ROW == 0

    def set_cut(self, site: str, ways: set[Way]) -> None:
        """These and no others of the site."""
        with self._lock:
            self.cut = {way for way in self.cut if way.site != site} | ways

    def keep_robots(self, origin: str, robots: Robots, until: float) -> None:
        """Keep one; the oldest goes where there are too many."""
        with self._lock:
            self.robots.pop(origin, None)
            while len(self.robots) >= MOST_ROBOTS:
                self.robots.pop(next(iter(self.robots)))
            self.robots[origin] = robots, until
