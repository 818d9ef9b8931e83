"""What the scraping classes cost: per item, beside the same calls without them, and in memory over a long list.

Each measurement runs in a process of its own, on an embedded platform (SQLite) of its own. Nothing is fetched: a
request takes hundreds of times as long as all that is measured here.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, publish

COMMAND = "make bench SECTION=scraping"
IS_QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 3 if IS_QUICK else 5
ITEMS = 10_000
#: Microseconds per item that a class may cost, without and with a queue.
MOST_US, MOST_QUEUED_US = 100.0, 250.0
GROWTH_MB = 5.0
TEMPLATE = "DC_BENCH_TEMPLATE"
KINDS = ("single", "threaded", "async")


def row(item: int) -> list[dict[str, Any]]:
    return [{"number": item, "text": "x" * 200}]


def bare(kind: str, count: int) -> None:
    """The same calls without a scraper."""

    async def one(item: int) -> Any:
        return row(item)

    async def several() -> None:
        items = iter(range(count))

        async def work() -> None:
            for item in items:
                await one(item)

        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(work())

    if kind == "single":
        for item in range(count):
            row(item)
    elif kind == "threaded":
        with ThreadPoolExecutor(5) as pool:
            for _ in pool.map(row, range(count)):
                pass
    else:
        asyncio.run(several())


def scraper(kind: str, count: int, *, is_queued: bool) -> Callable[[], Any]:
    """A run of so many items, with what the platform hands in."""
    from apps.core.clock import utc_now
    from apps.registry.services import register_app
    from apps.runtime.models import Runtime, State
    from apps.runtime.queues import DjangoQueues
    from collectors.identity import parse_code
    from collectors.toolkit.scraping import AsyncScraper, BaseScraper, ThreadedScraper
    from collectors.toolkit.testing import make_context

    base = {"single": BaseScraper, "threaded": ThreadedScraper, "async": AsyncScraper}[kind]

    async def collect_async(_self: Any, item: int) -> Any:
        return row(item)

    def collect(_self: Any, item: int) -> Any:
        return row(item)

    hooks = {
        "prepare_list": lambda _self: iter(range(count)),
        "collect": collect_async if kind == "async" else collect,
        "store": lambda _self, _rows: None,
    }
    made: Any = type("Bench", (base,), {"resume": is_queued, "store_every": 500, **hooks})
    context = make_context()
    object.__setattr__(context, "progress", lambda **_: None)  # the double remembers every report
    if is_queued:
        app = register_app(parse_code("bench.scraping.one"))
        run = Runtime.objects.create(
            app=app, state=State.RUNNING, trigger="SHELL", queued_at=utc_now(), slot=0, epoch=1
        )  # fmt: skip
        object.__setattr__(context, "queues", DjangoQueues(run))

    def work() -> None:
        assert made(context).run().complete

    return work


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def set_up(folder: Path, template: Path | None) -> None:
    """Django, with its data in `folder`; its database is a copy of the template."""
    os.environ |= {"DC_PROFILE": "test", "DC_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
    os.environ["DC_DATABASE_URL"] = f"sqlite:///{folder}/platform.sqlite3"
    if template is not None:
        shutil.copy(template, folder / "platform.sqlite3")
    import django

    django.setup()


@contextmanager
def template() -> Iterator[None]:
    """A migrated database for all measurements: migrating takes longer than they do."""
    with tempfile.TemporaryDirectory(prefix="dc-bench-") as folder:
        set_up(Path(folder), None)
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
        os.environ[TEMPLATE] = f"{folder}/platform.sqlite3"
        yield


def child(what: str, kind: str, count: int) -> None:
    """One measurement, in this process; prints it."""
    with tempfile.TemporaryDirectory(prefix="dc-bench-") as folder:
        set_up(Path(folder), Path(os.environ[TEMPLATE]) if what == "queued" else None)
        if what == "bare":
            work: Callable[[], Any] = partial(bare, kind, count)
        else:
            scraper(kind, 100, is_queued=False)()  # imports and first times
            work = scraper(kind, count, is_queued=what == "queued")
        before, began, cpu = rss_mb(), time.perf_counter(), time.process_time()
        work()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        print(json.dumps({"us": 1e6 * took / count, "cpu_us": 1e6 * used / count, "rss": rss_mb(), "before": before}))


def measured(what: str, kind: str, count: int = ITEMS) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scraping", what, kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def per_item(kind: str) -> list[Figure]:
    """Wall time of an item beside the bare calls, without and with a queue."""
    rounds: dict[str, list[float]] = {"bare": [], "plain": [], "queued": []}
    for _ in range(ROUNDS):
        for what, found in rounds.items():
            found.append(measured(what, kind)["us"])
    medians = {what: statistics.median(found) for what, found in rounds.items()}
    return [
        Figure(
            measure=f"An item of {'an' if kind == 'async' else 'a'} {kind} scraper{words}", ours=medians[what],
            unit="us", limit=medians["bare"], target=f"<= {most:g} us", ok=medians[what] <= most, n=ROUNDS,
            command=COMMAND,
        )
        for what, words, most in (("plain", "", MOST_US), ("queued", ", with a queue", MOST_QUEUED_US))
    ]  # fmt: skip


def memory(what: str) -> Figure:
    """How much larger a process is after ten times as many items."""
    small, large = ([measured(what, "threaded", count)["rss"] for _ in range(3)] for count in (ITEMS // 10, ITEMS))
    growth = statistics.median(large) - statistics.median(small)
    return Figure(
        measure=f"Memory of 10,000 items over that of 1,000{', with a queue' if what == 'queued' else ''}", ours=growth,
        unit="MB", target=f"<= {GROWTH_MB:g} MB", ok=growth <= GROWTH_MB, n=3, command=COMMAND,
    )  # fmt: skip


def main() -> bool:
    with template():
        figures = [figure for kind in KINDS for figure in per_item(kind)]
        return publish("scraping", [*figures, memory("plain"), memory("queued")])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(0 if main() else 1)
