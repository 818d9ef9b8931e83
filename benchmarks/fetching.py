"""Fetching: one page of 2 KB from the loopback address, again and again, by us and by others in the same minutes.

Each client runs in a process of its own, those that are compared one after the other, several rounds; the figures are
medians. Ours has figures, retries, limits, the classes of errors and the guard on addresses switched on, as always.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict

from benchmarks import peers
from benchmarks.fetch_server import serving
from benchmarks.report import Figure, publish

COMMAND = "make bench SECTION=fetching"
IS_QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 3 if IS_QUICK else 7
PAGES = 5_000 if IS_QUICK else 100_000
ITEMS = 5_000 if IS_QUICK else 10_000
#: Requests of one round: about two seconds' worth of each.
SIZES = {"httpx": 2_000, "ours": 2_000, "ours threaded": 2_000, "aiohttp": 6_000, "ours async": 6_000}
#: Slow ones are measured in one round.
SLOW = {"httpx async": 500, "Scrapy": 800, "socket": 10_000}
GROWTH_MB = 5.0

Rates = dict[str, dict[str, float]]


def measured(client: str, count: int, url: str) -> dict[str, float]:
    """The figures of one client, from a process of its own."""
    if client == "Scrapy":
        return peers.measured("benchmarks.fetch_clients", client, str(count), url) or {}
    command = [sys.executable, "-m", "benchmarks.fetch_clients", client, str(count), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def all_rates(url: str) -> Rates:
    """Client -> medians."""
    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(ROUNDS):
        for client, count in {**SIZES, **(SLOW if number == 0 else {})}.items():
            rounds[client].append(measured(client, count, url))
    medians = {
        client: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for client, found in rounds.items()
    }
    for client, found in medians.items():
        print(f"{client:<14} {found['per_s']:8.0f} requests/s  {found['cpu_us']:6.0f} us of CPU each", flush=True)
    return medians


def rate(measure: str, rates: Rates, ours: str, peer: str, least: float) -> list[Figure]:
    """Requests per second, and CPU per request, beside a peer's."""
    own, other, limit = rates[ours], rates[peer], rates["socket"]
    others = [name for name in rates if name != "socket" and not name.startswith("ours")]
    ratio = own["per_s"] / other["per_s"]
    cpu = own["cpu_us"] / other["cpu_us"]
    return [
        Figure(
            measure=f"{measure}, requests per second", ours=own["per_s"], unit="1/s", ratio=ratio,
            peers={name: rates[name]["per_s"] for name in others}, limit=limit["per_s"],
            target=f">= {least:g} x {peer}", ok=ratio >= least, n=ROUNDS, command=COMMAND,
        ),
        Figure(
            measure=f"{measure}, CPU per request", ours=own["cpu_us"], unit="us", ratio=cpu,
            peers={name: rates[name]["cpu_us"] for name in others}, limit=limit["cpu_us"],
            target=f"<= {1 / least:.2f} x {peer}", ok=cpu <= 1 / least, n=ROUNDS, command=COMMAND,
        ),
    ]  # fmt: skip


def grown(who: str, what: str, count: int, found: dict[str, float]) -> Figure:
    """Memory gained after the first tenth."""
    growth = found["end_mb"] - found["early_mb"]
    return Figure(
        measure=f"{who}: memory gained between {what} {count // 10:,} and {what} {count:,}", ours=growth, unit="MB",
        target=f"<= {GROWTH_MB:g} MB", ok=growth <= GROWTH_MB, n=1, command=COMMAND,
    )  # fmt: skip


def main() -> bool:
    with serving() as (url, server):
        print(f"Served by {server}; load {os.getloadavg()[0]:.1f}", flush=True)
        rates = all_rates(url)
        pages, items = measured("ours async", PAGES, url), measured("ours scraper", ITEMS, url)
        figures = [
            *rate("one after another", rates, "ours", "httpx", 0.9),
            *rate("four threads", rates, "ours threaded", "httpx", 0.9),
            *rate("fifty at once", rates, "ours async", "aiohttp", 0.6),
            *rate("fifty at once, beside Scrapy", rates, "ours async", "Scrapy", 8.0),
            grown("ours async", "page", PAGES, pages),
            grown("ThreadedScraper", "item", ITEMS, items),
        ]  # fmt: skip
    return publish("fetching", figures)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
