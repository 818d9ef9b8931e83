"""What open dashboards cost a web process: its CPU and the database's transactions, for one page and for a hundred.

Needs a PostgreSQL: the one that the tests find or start (docs/testing.md). The pages are sockets that subscribe as
Home does; that they then fetch a part of their page over HTTP is not in here.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.live_log import cpu_seconds
from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=dashboards"
MANY = 100
SECONDS = 20.0
#: A change this often, with its wake-up: a busy installation.
PAUSE_S = 0.25


def transactions() -> int:
    """Of the whole database until now. The server counts them, some moments late."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def watched(web: Any, keys: list[str], run: Any) -> tuple[float, float]:
    """CPU seconds of the web process and transactions, for a second in which everybody watches."""
    from apps.runtime.models import Runtime
    from apps.runtime.wakeups import Wakeups
    from tests.services.sockets import frame, open_socket, say

    wakeups = Wakeups()
    with ExitStack() as stack:
        sockets = [stack.enter_context(open_socket(web, "/ws/dashboard", key, ping_interval=None)) for key in keys]
        for socket in sockets:
            say(socket, "subscribe", topics=["home", "runs", "apps", f"run:{run.pk}"])
            frame(socket, "subscribed")
        time.sleep(2)
        cpu, count, begun = cpu_seconds(web.process.pid), transactions(), time.monotonic()
        written = 0
        while time.monotonic() - begun < SECONDS:
            written += 1
            Runtime.objects.filter(pk=run.pk).update(solved=written)
            wakeups.ring([run.pk])
            time.sleep(PAUSE_S)
        took = time.monotonic() - begun
        time.sleep(1.5)
        for socket in sockets:
            frame(socket, "changed")
        cpu, count = cpu_seconds(web.process.pid) - cpu, transactions() - count - written
    wakeups.close()
    return cpu / took, count / took


def figures() -> list[Figure]:
    """One watcher, then a hundred, each signed in by a session of its own."""
    from apps.runtime.models import State
    from tests.integration.factories import make_app, make_run
    from tests.integration.log_lines import session_of
    from tests.integration.people import make_person
    from tests.services.web import WebProcess

    run = make_run(make_app(), State.RUNNING, task_size=10_000)
    keys = [session_of(make_person("viewer", name=f"watcher {number}")) for number in range(MANY)]
    web = WebProcess()
    web.start()
    try:
        one_cpu, one_count = watched(web, keys[:1], run)
        many_cpu, many_count = watched(web, keys, run)
    finally:
        web.kill()
    shared: dict[str, Any] = {"n": 1, "command": COMMAND}
    return [
        Figure(
            measure=f"{MANY} dashboards, transactions of the database",
            ours=many_count,
            unit="per second",
            target="<= 3 times those of one",
            ok=many_count <= 3 * one_count,
            limit=one_count,
            ratio=many_count / one_count,
            **shared,
        ),
        Figure(
            measure=f"{MANY} dashboards, CPU of the web process",
            ours=100 * many_cpu,
            unit="%",
            target="<= 30 %",
            ok=many_cpu <= 0.3,
            limit=100 * one_cpu,
            ratio=many_cpu / one_cpu,
            **shared,
        ),
    ]


def main() -> int:
    with platform_on_postgres():
        return 0 if publish("dashboards", figures()) else 1


if __name__ == "__main__":
    sys.exit(main())
