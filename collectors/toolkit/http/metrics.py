"""What a run's requests cost, counted by all of its threads together."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from collectors.toolkit.profiling.sketch import Sketch

#: Hosts, and proxies, that are counted by themselves; a run that visits more has the rest in one.
MOST_HOSTS = 50
OTHER_HOSTS = "other hosts"
OTHER_PROXIES = "other proxies"
NO_ANSWER = "no answer"
#: Statuses that are told apart; sites have been seen to make up hundreds.
MOST_CODES = 40
#: So many times are put together at once: one by one, they would cost more than all the rest.
_FOLD_AT = 256


@dataclass(slots=True)
class HostMetrics:
    """The requests to one host, or by one proxy."""

    codes: Counter[int] = field(default_factory=Counter)
    """Status of the answer, or 0 if there was none -> requests."""
    failed: int = 0
    retried: int = 0
    """Of those that failed, how many were sent again: they are not in `failed`."""
    total_s: float = 0.0
    waited_s: float = 0.0
    """For turns, before they were sent."""
    _times_us: list[float] = field(default_factory=list, repr=False)
    _sketch: Sketch = field(default_factory=Sketch, repr=False)

    @property
    def count(self) -> int:
        """How many requests there were."""
        return self.codes.total()

    def add(self, elapsed_s: float, code: int, *, ok: bool, is_final: bool) -> None:
        """Count one request."""
        self.codes[code] += 1
        if not ok:
            if is_final:
                self.failed += 1
            else:
                self.retried += 1
        self.total_s += elapsed_s
        times = self._times_us
        times.append(elapsed_s * 1e6)
        if len(times) >= _FOLD_AT:
            self.times()

    def times(self) -> Sketch:
        """The distribution of the times, in microseconds."""
        self._sketch.add(self._times_us)
        self._times_us.clear()
        return self._sketch

    def merge(self, other: HostMetrics) -> None:
        """Count what `other` counted too."""
        self.codes.update(other.codes)
        self.failed += other.failed
        self.retried += other.retried
        self.total_s += other.total_s
        self.waited_s += other.waited_s
        self.times().merge(other.times())

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON can hold them."""
        statuses = Counter[str]()
        for code, count in self.codes.items():
            statuses[f"{code // 100}xx" if code else NO_ANSWER] += count
        times, count = self.times(), self.count
        return {
            "count": count,
            "failed": self.failed,
            "retried": self.retried,
            "waited_s": round(self.waited_s, 3),
            "statuses": dict(sorted(statuses.items())),
            "codes": {str(code): count for code, count in self.codes.most_common(MOST_CODES) if code},
            "mean_ms": 1000 * self.total_s / count if count else None,
            **{f"p{q}_ms": _ms(times.quantile(q / 100)) for q in (50, 95, 99)},
        }


class RequestMetrics:
    """Thread-safe counters: how many requests, how many failed, how long they took; by status, by host and by proxy.

    Every attempt is a request. One that failed and was sent again is `retried`, and only the last one `failed`.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, HostMetrics] = {}
        self._proxies: dict[str, HostMetrics] = {}
        self._lock = threading.Lock()

    def add(
        self,
        *,
        elapsed_s: float,
        ok: bool,
        host: str = "",
        status: int | None = None,
        proxy: str = "",
        is_final: bool = True,
        waited_s: float = 0.0,
    ) -> None:
        """Count one request; without a status there was no answer, without a proxy it went directly.

        `waited_s` is what it waited for its turn, which is no part of `elapsed_s`.
        """
        code = status or 0
        with self._lock:
            of_host = _of(self._hosts, host, OTHER_HOSTS)
            of_host.add(elapsed_s, code, ok=ok, is_final=is_final)
            of_host.waited_s += waited_s
            if proxy:
                _of(self._proxies, proxy, OTHER_PROXIES).add(elapsed_s, code, ok=ok, is_final=is_final)

    def merge(self, other: RequestMetrics) -> None:
        """Count what `other`, which counts no more, counted too."""
        with self._lock:
            for mine, theirs, rest in (
                (self._hosts, other._hosts, OTHER_HOSTS),
                (self._proxies, other._proxies, OTHER_PROXIES),
            ):
                for name, metrics in theirs.items():
                    _of(mine, name, rest).merge(metrics)

    @property
    def count(self) -> int:
        """How many requests there were, every attempt counted."""
        with self._lock:
            return sum(host.count for host in self._hosts.values())

    @property
    def failed(self) -> int:
        """How many of them had no answer, or one that was not welcome, and were not sent again."""
        with self._lock:
            return sum(host.failed for host in self._hosts.values())

    @property
    def error_rate(self) -> float | None:
        """The share that failed, sending again included in each; None before the first request."""
        with self._lock:
            asked = sum(host.count - host.retried for host in self._hosts.values())
            return sum(host.failed for host in self._hosts.values()) / asked if asked else None

    @property
    def mean_ms(self) -> float | None:
        """Mean response time in milliseconds; None before the first request."""
        with self._lock:
            count = sum(host.count for host in self._hosts.values())
            return 1000 * sum(host.total_s for host in self._hosts.values()) / count if count else None

    def summary(self) -> dict[str, Any]:
        """All figures (`HostMetrics.summary`), and the same by host in `hosts` and by proxy in `proxies`."""
        with self._lock:
            total = HostMetrics()
            for metrics in self._hosts.values():
                total.merge(metrics)
            hosts = {name: metrics.summary() for name, metrics in self._hosts.items()}
            proxies = {name: metrics.summary() for name, metrics in self._proxies.items()}
        return {**total.summary(), "hosts": _busiest_first(hosts), "proxies": _busiest_first(proxies)}


def _of(known: dict[str, HostMetrics], name: str, rest: str) -> HostMetrics:
    found = known.get(name)
    if found is None:
        found = known.setdefault(name if len(known) < MOST_HOSTS else rest, HostMetrics())
    return found


def _busiest_first(named: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return dict(sorted(named.items(), key=lambda item: -item[1]["count"]))


def _ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
