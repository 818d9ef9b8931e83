"""From a stored line to 200 browsers, beside what an ASGI server can do at best; and five million lines in one browser.

The viewers are a process of their own; they measure from the moment at which a batch was ready to be stored.
`figures()` needs Django on a PostgreSQL (`benchmarks/scratch.py`) and a Chromium.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=live_log"
QUICK = bool(os.environ.get("QUICK"))
VIEWERS = 200
BATCH, PAUSE_S = 25, 0.05
SECONDS = 8 if QUICK else 30
SETTLE_S = 6
HUGE = 200_000 if QUICK else 5_000_000
WATCHED_S = 10 if QUICK else 60
ROOT = Path(__file__).parent.parent


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def viewers(url: str, keys: list[str], seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """The process that follows; its answer is a list of delays in milliseconds."""
    argv = [sys.executable, "-m", "benchmarks.live_log_viewers", url, str(VIEWERS), str(seconds)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(orjson.dumps(keys))
        process.stdin.close()
        process.stdin = None
        yield process
        process.kill()


def heard(process: subprocess.Popen[bytes]) -> list[float]:
    """What the viewers measured."""
    out, _ = process.communicate(timeout=SECONDS + 60)
    delays: list[float] = orjson.loads(out)
    return sorted(delays)


def share(delays: list[float], part: float) -> float:
    """A percentile."""
    return delays[min(len(delays) - 1, int(part * len(delays)))] if delays else float("inf")


def bare_fan_out() -> tuple[list[float], float]:
    """The limit: an ASGI application that sends a ready-made frame to everybody."""
    from tests.services.web import free_port

    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.live_log_bare", str(port), str(BATCH), str(PAUSE_S)]
    with subprocess.Popen(argv, cwd=ROOT) as server:
        time.sleep(2)
        try:
            with viewers(f"ws://127.0.0.1:{port}/", [""], SECONDS) as process:
                time.sleep(SETTLE_S)
                before, start = cpu_seconds(server.pid), time.monotonic()
                delays = heard(process)
                return delays, (cpu_seconds(server.pid) - before) / (time.monotonic() - start)
        finally:
            server.kill()


def write_lines(run: Any, first: int, until: float, wakeups: Any) -> int:
    """Store a batch every 50 ms as a shipper does, and ring. Returns the last line."""
    from django.db import transaction

    from apps.logs.storage import Origin, row_maker, store_rows
    from collectors.toolkit.journal import Frame

    journal, number, due = os.urandom(16).hex(), first, time.monotonic()
    maker = row_maker(Origin(run.pk, run.app_id, journal))
    context = {"url": "https://shop.example/catalogue/17", "status": 200}
    said = {"level": 20, "logger": "source.x", "module": "main", "function": "collect", "line": 17, "c": context}
    while time.monotonic() < until:
        now = time.time()
        data = {"event": f"@{now:.6f} page fetched", **said}
        rows = [maker.row(Frame(number + n, "log", now, data, 0), number + n) for n in range(1, BATCH + 1)]
        with transaction.atomic():
            store_rows(rows)
        wakeups.ring([run.pk])
        number += BATCH
        due += PAUSE_S
        time.sleep(max(0.0, due - time.monotonic()))
    return number


def live_delay() -> list[Figure]:
    """200 viewers, each signed in by a session of its own."""
    from apps.runtime.models import State
    from apps.runtime.wakeups import Wakeups
    from tests.integration.factories import make_app, make_run
    from tests.integration.log_lines import session_of
    from tests.integration.people import make_person
    from tests.services.web import WebProcess

    bare, bare_cpu = bare_fan_out()
    run = make_run(make_app(), State.RUNNING)
    keys = [session_of(make_person("viewer", name=f"reader {n}")) for n in range(VIEWERS)]
    web, wakeups = WebProcess(), Wakeups()
    web.start()
    assert web.process is not None
    try:
        with viewers(f"ws://127.0.0.1:{web.port}/ws/runtimes/{run.pk}/log?after=0", keys, SECONDS) as process:
            writer = threading.Thread(
                target=write_lines, args=(run, 0, time.monotonic() + SETTLE_S + SECONDS, wakeups), daemon=True
            )
            writer.start()
            time.sleep(SETTLE_S)
            before, start = cpu_seconds(web.process.pid), time.monotonic()
            delays = heard(process)
            cpu = (cpu_seconds(web.process.pid) - before) / (time.monotonic() - start)
            writer.join()
    finally:
        web.kill()
        wakeups.close()
    shared: dict[str, Any] = {"n": len(delays), "command": COMMAND}
    p50, p95 = share(delays, 0.5), share(delays, 0.95)
    name = f"a line to {VIEWERS} viewers"
    return [
        Figure(
            measure=f"{name}, p50", ours=p50, unit="ms", target="<= 15", ok=p50 <= 15, limit=share(bare, 0.5), **shared
        ),
        Figure(
            measure=f"{name}, p95", ours=p95, unit="ms", target="<= 40", ok=p95 <= 40, limit=share(bare, 0.95), **shared
        ),
        Figure(
            measure=f"{name}, CPU of the web process",
            ours=100 * cpu,
            unit="%",
            target="<= 20",
            ok=cpu <= 0.2,
            limit=100 * bare_cpu,
            ratio=cpu / bare_cpu,
            **shared,
        ),
    ]


def fill(run: Any, count: int) -> None:
    """That many lines, written by the database itself."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO logs_log (runtime_id, app_id, line_number, logged_at, level, logger, module, function, thread,"
            " call_chain, message, context_json, exception, fingerprint) SELECT %s, %s, n, now() - (%s - n) * interval"
            " '10 ms', CASE WHEN n %% 1000 = 999 THEN 40 WHEN n %% 100 = 0 THEN 30 ELSE 20 END, 'source.x', 'main',"
            " 'collect', 'MainThread', '', 'page ' || n || ' of the catalogue fetched', "
            """jsonb_build_object('url', 'https://shop.example/p/' || n, 'status', 200), '', ''"""
            " FROM generate_series(1, %s) n",
            [run.pk, run.app_id, count, count],
        )
        cursor.execute("ANALYZE logs_log")


def huge_log() -> list[Figure]:
    """Open the log of a run with five million lines, and follow it for a minute."""
    from apps.runtime.models import State
    from apps.runtime.wakeups import Wakeups
    from tests.integration.factories import make_app, make_run
    from tests.integration.log_lines import session_of
    from tests.integration.people import make_person
    from tests.services.web import WebProcess

    run = make_run(make_app(code="examples.debian.python_docs"), State.RUNNING)
    fill(run, HUGE)
    key = session_of(make_person("viewer", name="somebody with patience"))
    web, wakeups = WebProcess(), Wakeups()
    web.start()
    assert web.process is not None
    try:
        measured = in_browser(web, run, key, wakeups)
    finally:
        web.kill()
        wakeups.close()
    name = f"viewer, {HUGE:,} lines"
    targets = {
        "first paint": ("ms", 1000, "<= 1,000"),
        "JS heap after following": ("MB", 150, "<= 150"),
        "growth of the web process": ("MB", 50, "<= 50"),
        "to the middle": ("ms", 1000, "<= 1,000"),
        "next error": ("ms", 1000, "<= 1,000"),
        "search that reads every line, first hit": ("ms", 15_000, "<= 15,000"),
    }
    return [
        Figure(
            measure=f"{name}: {what}",
            ours=measured[what],
            unit=unit,
            target=target,
            ok=measured[what] <= most,
            n=1,
            command=COMMAND,
        )
        for what, (unit, most, target) in targets.items()
    ]


def in_browser(web: Any, run: Any, key: str, wakeups: Any) -> dict[str, float]:
    """Times in milliseconds, memory in megabytes."""
    from playwright.sync_api import sync_playwright

    from tests.services.browser import find_chromium

    measured: dict[str, float] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        context = browser.new_context(base_url=web.url, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": key, "url": web.url}])
        address = f"/admin/runtime/runtime/{run.pk}/log/"
        paints = []
        for _ in range(4):
            page = context.new_page()
            start = time.perf_counter()
            page.goto(address, wait_until="commit")
            shown(page, HUGE)
            paints.append(1000 * (time.perf_counter() - start))
        measured["first paint"] = statistics.median(paints[1:])
        measured |= moves(page)
        page.keyboard.press("G")
        memory = resident_mb(web.process.pid)
        writer = threading.Thread(target=write_slowly, args=(run, wakeups), daemon=True)
        writer.start()
        writer.join()
        tools = context.new_cdp_session(page)
        tools.send("HeapProfiler.collectGarbage")
        measured["JS heap after following"] = tools.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        measured["growth of the web process"] = resident_mb(web.process.pid) - memory
        browser.close()
    return measured


def write_slowly(run: Any, wakeups: Any) -> None:
    """200 lines a second."""
    from django.db import connections

    until, number = time.monotonic() + WATCHED_S, HUGE
    while time.monotonic() < until:
        number = write_lines(run, number, time.monotonic() + 0.001, wakeups)
        time.sleep(BATCH / 200)
    connections.close_all()


def moves(page: Any) -> dict[str, float]:
    """What somebody does in a long log."""
    measured = {}
    start = time.perf_counter()
    field = page.get_by_label("Go to a line")
    field.fill(str(HUGE // 2))
    field.press("Enter")
    shown(page, HUGE // 2)
    measured["to the middle"] = 1000 * (time.perf_counter() - start)
    start = time.perf_counter()
    page.locator("[data-part=list]").focus()
    page.keyboard.press("e")
    shown(page, 999)
    measured["next error"] = 1000 * (time.perf_counter() - start)
    start = time.perf_counter()
    rare = f"page {HUGE - 7} of"
    page.get_by_role("searchbox").fill(rare)
    page.get_by_role("searchbox").press("Enter")
    shown(page, HUGE - 7, 60_000)
    measured["search that reads every line, first hit"] = 1000 * (time.perf_counter() - start)
    page.get_by_role("searchbox").fill("")
    page.locator("[data-part=list]").focus()
    return measured


def shown(page: Any, number: int, timeout: float = 20_000) -> None:
    """Wait until this line can be read."""
    page.locator(f'.dc-lv-row[data-n="{number}"] .dc-lv-text').wait_for(timeout=timeout)


def figures() -> list[Figure]:
    """Every figure of the live log."""
    from django.conf import settings

    from tests.services import valkey

    with valkey.running(Path(settings.CACHES["default"]["LOCATION"].removeprefix("unix://"))):
        return [*live_delay(), *huge_log()]


def main() -> int:
    """Measure and publish."""
    with platform_on_postgres():
        found = figures()
    return 0 if publish("live_log", found) else 1


if __name__ == "__main__":
    sys.exit(main())
