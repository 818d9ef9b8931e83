"""What politeness costs: a turn, how often the database is asked, and requests without a pause beside bare httpx.

The turns come from PostgreSQL, as in production; the pages, of 2 KB, from the loopback address.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.fetch_server import serving
from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=politeness"
QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 5 if QUICK else 11
REQUESTS = 500 if QUICK else 2_000
TURNS = 1_000 if QUICK else 5_000
#: Short, and yet a pause: each request has a turn of its own.
PAUSE_S = 0.002


def seconds(work: Callable[[], Any], count: int) -> float:
    """For each time."""
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - begun) / count


def turn() -> Figure:
    """One statement of the ledger, beside the shortest one there is."""
    from django.db import connection

    from apps.politeness.ledger import DatabaseLedger
    from collectors.toolkit.politeness.ledger import Bid
    from collectors.toolkit.politeness.pauses import Why

    ledger, bid = DatabaseLedger(), Bid("shop.example", 1.0, 3.0, Why.DEFAULT, answered=1, latency_s=0.1)

    def shortest() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    ledger.take(bid)
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(1e6 * seconds(lambda: ledger.take(bid), TURNS // ROUNDS))
        bare.append(1e6 * seconds(shortest, TURNS // ROUNDS))
    ledger.close()
    median, limit = statistics.median(ours), statistics.median(bare)
    return Figure(
        measure="a turn, beside SELECT 1", ours=median, unit="us", limit=limit, ratio=median / limit,
        target="<= 1 ms", ok=median <= 1_000, n=TURNS, command=COMMAND,
    )  # fmt: skip


def polite(url: str, pause_s: float) -> tuple[Any, Any]:
    """A client with everything on, and its ledger."""
    from apps.politeness.ledger import DatabaseLedger
    from collectors.toolkit.http import Profile, Request, Session, networks
    from collectors.toolkit.politeness.manners import Manners
    from collectors.toolkit.politeness.pauses import Pause

    ledger = DatabaseLedger()
    session = Session(
        Profile(allowed=networks("127.0.0.1")), manners=Manners(ledger, pause=Pause(pause_s, pause_s))
    )  # fmt: skip
    request = Request(session=session)
    request.get(url)
    return request, ledger


def asked(measure: str, url: str, pause_s: float, count: int) -> Figure:
    """How often the database is asked for each request."""
    request, ledger = polite(url, pause_s)
    before = ledger.statements_sent
    for _ in range(count):
        request.get(url)
    each = (ledger.statements_sent - before) / count
    request.close()
    ledger.close()
    return Figure(
        measure=f"statements for each request, {measure}", ours=each, unit="", target="<= 1", ok=each <= 1.0,
        n=count, command=COMMAND,
    )  # fmt: skip


def beside_httpx(url: str) -> Figure:
    """Requests per second without a pause, by turns with bare httpx."""
    import httpx

    request, ledger = polite(url, 0.0)
    ratios, rates, others = [], [], []
    with httpx.Client() as client:
        seconds(lambda: client.get(url).content, 200)
        for _ in range(ROUNDS):
            bare = seconds(lambda: client.get(url).raise_for_status().content, REQUESTS)
            ours = seconds(lambda: request.get(url).content, REQUESTS)
            ratios.append(bare / ours)
            rates.append(1 / ours)
            others.append(1 / bare)
    request.close()
    ledger.close()
    ratio = statistics.median(ratios)
    return Figure(
        measure="one after another without a pause, requests per second", ours=statistics.median(rates), unit="1/s",
        peers={"httpx": statistics.median(others)}, ratio=ratio, target=">= 0.9 x httpx", ok=ratio >= 0.9,
        n=ROUNDS * REQUESTS, command=COMMAND,
    )  # fmt: skip


def main() -> bool:
    with platform_on_postgres(), serving() as (url, server):
        print(f"Served by {server}; load {os.getloadavg()[0]:.1f}", flush=True)
        figures = [
            turn(),
            asked(f"pauses of {1000 * PAUSE_S:g} ms", url, PAUSE_S, REQUESTS),
            asked("no pause", url, 0.0, REQUESTS),
            beside_httpx(url),
        ]
    return publish("politeness", figures)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
