"""What a run's requests cost, counted by all of its threads together."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from collectors.toolkit.profiling.sketch import Sketch

#: Hosts that are counted by themselves; a run that visits more has the rest in one.
MOST_HOSTS = 50
OTHER_HOSTS = "other hosts"
NO_ANSWER = "no answer"
#: So many times are put together at once: one by one, they would cost more than all the rest.
_FOLD_AT = 256


@dataclass(slots=True)
class HostMetrics:
    """The requests to one host."""

    statuses: Counter[str] = field(default_factory=Counter)
    """Class of the answer, such as "2xx" or `NO_ANSWER` -> requests."""
    failed: int = 0
    total_s: float = 0.0
    _times_us: list[float] = field(default_factory=list, repr=False)
    _sketch: Sketch = field(default_factory=Sketch, repr=False)

    @property
    def count(self) -> int:
        """How many requests there were."""
        return self.statuses.total()

    def add(self, *, elapsed_s: float, ok: bool, answer: str) -> None:
        """Count one request."""
        self.statuses[answer] += 1
        self.failed += not ok
        self.total_s += elapsed_s
        self._times_us.append(elapsed_s * 1e6)
        if len(self._times_us) >= _FOLD_AT:
            self.times()

    def times(self) -> Sketch:
        """The distribution of the times, in microseconds."""
        self._sketch.add(self._times_us)
        self._times_us.clear()
        return self._sketch

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON can hold them."""
        return _figures(self.statuses, self.failed, self.total_s, self.times())


class RequestMetrics:
    """Thread-safe counters: how many requests, how many that failed, how long they took, by status and by host."""

    def __init__(self) -> None:
        self._hosts: dict[str, HostMetrics] = {}
        self._lock = threading.Lock()

    def add(self, *, elapsed_s: float, ok: bool, host: str = "", status: int | None = None) -> None:
        """Count one request; without a status there was no answer."""
        answer = NO_ANSWER if status is None else f"{status // 100}xx"
        with self._lock:
            known = self._hosts.get(host)
            if known is None:
                name = host if len(self._hosts) < MOST_HOSTS else OTHER_HOSTS
                known = self._hosts.setdefault(name, HostMetrics())
            known.add(elapsed_s=elapsed_s, ok=ok, answer=answer)

    @property
    def count(self) -> int:
        """How many requests there were."""
        with self._lock:
            return sum(host.count for host in self._hosts.values())

    @property
    def failed(self) -> int:
        """How many of them had no answer, or one that was not welcome."""
        with self._lock:
            return sum(host.failed for host in self._hosts.values())

    @property
    def mean_ms(self) -> float | None:
        """Mean response time in milliseconds; None before the first request."""
        with self._lock:
            return _mean_ms(
                sum(host.total_s for host in self._hosts.values()), sum(host.count for host in self._hosts.values())
            )

    def summary(self) -> dict[str, Any]:
        """All figures: `count`, `failed`, `statuses`, `mean_ms`, `p95_ms`, and the same by host in `hosts`."""
        with self._lock:
            hosts = {name: metrics.summary() for name, metrics in self._hosts.items()}
            statuses, times = Counter[str](), Sketch()
            for metrics in self._hosts.values():
                statuses.update(metrics.statuses)
                times.merge(metrics.times())
            failed = sum(metrics.failed for metrics in self._hosts.values())
            total_s = sum(metrics.total_s for metrics in self._hosts.values())
        busiest = sorted(hosts.items(), key=lambda item: -item[1]["count"])
        return {**_figures(statuses, failed, total_s, times), "hosts": dict(busiest)}


def _figures(statuses: Counter[str], failed: int, total_s: float, times: Sketch) -> dict[str, Any]:
    p95 = times.quantile(0.95)
    return {
        "count": statuses.total(),
        "failed": failed,
        "statuses": dict(sorted(statuses.items())),
        "mean_ms": _mean_ms(total_s, statuses.total()),
        "p95_ms": None if p95 is None else p95 / 1000,
    }


def _mean_ms(total_s: float, count: int) -> float | None:
    return 1000 * total_s / count if count else None
