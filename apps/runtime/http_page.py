"""The requests of a run, as its page shows them; `Runtime.http_summary` has what the run said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHOWN = 10


@dataclass(frozen=True, slots=True)
class HttpLine:
    """The requests to one host, or by one proxy, or those with one status."""

    name: str
    count: int
    failed: int = 0
    retried: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    waited_s: float = 0.0
    """For turns, all requests together."""
    share: float = 0.0
    """Of all requests, in percent."""


@dataclass(frozen=True, slots=True)
class HttpPage:
    """The requests of a run."""

    statuses: list[HttpLine]
    hosts: list[HttpLine]
    proxies: list[HttpLine]
    more_hosts: int


def http_page(summary: Mapping[str, Any]) -> HttpPage | None:
    """The requests by status and by host; None where the run made none, or said nothing of them."""
    total = summary.get("count") or 0
    if not total:
        return None
    hosts, proxies = _lines(summary.get("hosts"), total), _lines(summary.get("proxies"), total)
    return HttpPage(
        statuses=[HttpLine(name, count, share=100 * count / total) for name, count in _by_status(summary)],
        hosts=hosts[:SHOWN],
        proxies=proxies[:SHOWN],
        more_hosts=max(0, len(hosts) - SHOWN),
    )


def _by_status(summary: Mapping[str, Any]) -> list[tuple[str, int]]:
    """By code where the run counted those, else by class; what went unanswered has neither."""
    classes: Mapping[str, int] = summary.get("statuses") or {}
    codes: Mapping[str, int] = summary.get("codes") or {}
    unanswered = {name: count for name, count in classes.items() if not name[:1].isdigit()}
    counts = {**codes, **unanswered} if codes else classes
    return sorted(counts.items(), key=lambda item: -item[1])


def _lines(named: Mapping[str, Any] | None, total: int) -> list[HttpLine]:
    lines = [
        HttpLine(
            name,
            figures.get("count", 0),
            failed=figures.get("failed", 0),
            retried=figures.get("retried", 0),
            p50_ms=figures.get("p50_ms"),
            p95_ms=figures.get("p95_ms"),
            waited_s=figures.get("waited_s") or 0.0,
            share=100 * figures.get("count", 0) / total,
        )
        for name, figures in (named or {}).items()
    ]
    # PostgreSQL keeps no order of the names.
    return sorted(lines, key=lambda line: -line.count)
