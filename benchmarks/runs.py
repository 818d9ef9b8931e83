"""From a request to the first line of collector code, and what a run costs: real manager, database and broker.

The limit is a bare fork of a process that has Django, the peer a plain child that sets it up.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres
from benchmarks.supervision import bare_fork, cpu_ms, pss_mb
from tests.services import brokers

if TYPE_CHECKING:
    from apps.registry.models import App
    from apps.runtime.models import Runtime

ROOT = Path(__file__).parent.parent
COMMAND = "make bench SECTION=runs"
QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 20 if QUICK else 200
STOPS = 6 if QUICK else 20
AT_ONCE = 10
SETTLE_S = 5.0 if QUICK else 60.0
#: A machine that runs other things besides takes its time over the first start.
PATIENCE_S = 120.0


def plain_child() -> float:
    """Milliseconds until a plain child has set Django up: what a run costs without a warm process."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import django; django.setup()"], cwd=ROOT, check=True)
    return 1000 * (time.monotonic() - begun)


def until(condition: Callable[[], Any], what: str, pause_s: float = 0.02) -> Any:
    """Wait for something that has to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"Not within {PATIENCE_S:g} s: {what}")
        time.sleep(pause_s)
    return found


@contextmanager
def manager(*, slots: int, env: dict[str, str] | None = None) -> Iterator[int]:
    """A manager that serves; its pid."""
    from apps.runtime.node_models import Node

    argv = [sys.executable, "manage.py", "manager", "--slots", str(slots)]
    process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **(env or {})})
    try:
        until(lambda: Node.objects.filter(pid=process.pid, ended_at=None).exists(), "a manager", 0.1)
        until(lambda: waits_for_run(process.pid), "a shim that waits for a run", 0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def waits_for_run(pid: int) -> bool:
    """Whether the forkserver of a manager has forked a shim ahead."""
    from apps.runtime.supervision.tree import descendants

    return any(Path(f"/proc/{process.pid}/comm").read_text() == "dc-shim\n" for process in descendants(pid))


def own_cpu_ms(pid: int) -> float:
    """CPU of a manager, of what lives below it, and of what of that has ended."""
    from apps.runtime.supervision.tree import descendants

    return sum(cpu_ms(each) for each in [pid, *(process.pid for process in descendants(pid))])


@dataclass(slots=True)
class Timing:
    """What the runs took, in milliseconds."""

    firsts: list[float] = field(default_factory=list)
    since_asked: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    cpu: float = 0.0
    """Of one run, in all processes of the platform that have to do with it."""


def start(app: App) -> tuple[Runtime, float, float]:
    """Ask for a run: the run, when it was asked for, when the request was committed."""
    from django.db import transaction

    from apps.runtime.models import Command
    from apps.runtime.services import issue_command

    accepted: list[float] = []
    begun = time.time()
    with transaction.atomic():
        # Before the manager is told, which happens in the same moment.
        transaction.on_commit(lambda: accepted.append(time.time()))
        run = issue_command(app, Command.Verb.START, source=Command.Source.ADMIN).runtime
    if run is None:
        raise SystemExit("The app is live still: the run before it has not ended.")
    return run, begun, accepted[0]


def first_line_of(run: Runtime) -> float:
    """When its source said its first line, in seconds since the epoch."""
    return run.logs.filter(message="item.collected").order_by("line_number")[0].logged_at.timestamp()


def has_ended(run: Runtime) -> bool:
    """Whether the run is over."""
    return type(run).objects.filter(pk=run.pk, ended_at__isnull=False).exists()


def time_runs(app: App, pid: int, rounds: int) -> Timing:
    """One run after the other: requested by the command START, timed by the first line its source logs."""
    timing = Timing()
    idle = own_cpu_ms(pid)
    time.sleep(5)
    idle = (own_cpu_ms(pid) - idle) / 5
    before, since = own_cpu_ms(pid), time.monotonic()
    for _ in range(rounds):
        run, begun, accepted = start(app)
        until(partial(has_ended, run), f"the end of run {run.pk}")
        run.refresh_from_db()
        said = first_line_of(run)
        timing.firsts.append(1000 * (said - accepted))
        timing.since_asked.append(1000 * (said - begun))
        timing.ends.append(1000 * (run.ended_at.timestamp() - accepted) if run.ended_at else 0.0)
        timing.loads.append(1000 * (run.cpu_s or 0.0))
    took = time.monotonic() - since
    timing.cpu = (own_cpu_ms(pid) - before - idle * took) / rounds
    return timing


def stop_once(app: App) -> float:
    """Milliseconds from the request to stop a run that listens until its row says that nothing of it is alive."""
    from apps.runtime.models import Command
    from apps.runtime.services import issue_command

    run, _, _ = start(app)
    until(lambda: run.logs.filter(message="item.collected").exists(), "the first line")
    begun = time.time()
    issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN)
    until(partial(has_ended, run), "the end of a stop", 0.005)
    run.refresh_from_db()
    return 1000 * (run.ended_at.timestamp() - begun) if run.ended_at else 0.0


def make_app(**values: Any) -> App:
    """An app that logs a line for each item."""
    from apps.registry.services import register_app
    from collectors.identity import parse_code

    app = register_app(parse_code("trial.odd.slow"))
    for name, value in {"is_enabled": True, "args": {"seconds": 0.0, "items": 1}, **values}.items():
        setattr(app, name, value)
    app.save()
    return app


def memory(app: App, pid: int) -> tuple[float, float]:
    """PSS in MB: of a manager with all that is below it, a while after its start; of each of some runs besides."""
    from apps.core.clock import utc_now
    from apps.runtime.models import Runtime
    from apps.runtime.queueing import queue_run
    from apps.runtime.supervision.tree import descendants

    def everything() -> float:
        return pss_mb([pid, *(process.pid for process in descendants(pid))])

    time.sleep(SETTLE_S)
    idle = everything()
    runs = [queue_run(app, trigger=Runtime.Trigger.ADMIN, now=utc_now(), args={}) for _ in range(AT_ONCE)]
    until(lambda: sum(run.logs.filter(message="item.collected").exists() for run in runs) == AT_ONCE, "ten runs", 0.2)
    time.sleep(5)
    each = (everything() - idle) / AT_ONCE
    type(runs[0]).objects.filter(pk__in=[run.pk for run in runs]).update(state="STOPPING")
    until(lambda: all(map(has_ended, runs)), "the end of ten runs", 0.2)
    return idle, each


def fork_limit() -> float:
    """Milliseconds of a bare fork of this process, which has Django."""
    with tempfile.TemporaryDirectory() as folder:
        return statistics.median(bare_fork(Path(folder)) for _ in range(ROUNDS))


def figure(measure: str, ours: float, unit: str, limit_of: float, *, n: int, **more: Any) -> Figure:
    """A figure that has to stay below its target."""
    limit = more.get("limit")
    return Figure(
        measure=measure, ours=ours, unit=unit, target=f"<= {limit_of:g} {unit}", ok=ours <= limit_of, n=n,
        command=COMMAND, ratio=ours / limit if limit else None, **more,
    )  # fmt: skip


def measure() -> list[Figure]:
    """Memory first, because it is of a manager that has just started; then time and CPU of runs, then stops."""
    app = make_app(args={"seconds": 0.01, "items": 1_000_000}, max_parallel=AT_ONCE)
    with manager(slots=AT_ONCE) as pid:
        idle, each = memory(app, pid)
        limit = fork_limit()
        timing = time_runs(make_app(), pid, ROUNDS)
        limit = statistics.median([limit, fork_limit()])
        slow = make_app(args={"seconds": 0.01, "items": 1_000_000})
        stops = [stop_once(slow) for _ in range(STOPS)]
    unheard = stops_without_broker(slow)
    embedded = up_runs()
    peers = {"plain Django child": statistics.median(plain_child() for _ in range(3))}
    name = "request accepted -> first line of collector code, PostgreSQL and RabbitMQ"
    middle = statistics.median
    return [
        figure(f"{name}, p50", middle(timing.firsts), "ms", 25, n=ROUNDS, limit=limit, peers=peers),
        figure(f"{name}, p95", p95_of(timing.firsts), "ms", 75, n=ROUNDS),
        plain("the same from before the request is written, p50", middle(timing.since_asked), "ms", n=ROUNDS),
        plain("request accepted -> run ended and its lines stored, p50", middle(timing.ends), "ms", n=ROUNDS),
        figure("CPU of a no-op run, its collector as its row says", middle(timing.loads), "ms", 25, n=ROUNDS),
        plain("CPU of a no-op run, manager, forkserver and shim included", timing.cpu, "ms", n=ROUNDS),
        figure("STOP -> nothing alive and the row ended, cooperative, p50", middle(stops), "ms", 200, n=STOPS),
        figure("STOP by another process -> the run has ended, with a broker, p95", p95_of(stops), "ms", 1000, n=STOPS),
        figure("the same without a broker, p95", p95_of(unheard), "ms", 5000, n=STOPS),
        figure("make up: request accepted -> first line, p50", middle(embedded), "ms", 150, n=len(embedded)),
        plain("make up: request accepted -> first line, p95", p95_of(embedded), "ms", n=len(embedded)),
        figure("memory of an idle manager with its forkserver, PSS", idle, "MB", 180, n=1),
        figure("memory of each running no-op collector, PSS", each, "MB", 25, n=AT_ONCE),
    ]


def p95_of(values: list[float]) -> float:
    """The value that one in twenty exceeds."""
    return statistics.quantiles(values, n=20)[18]


def stops_without_broker(app: App) -> list[float]:
    """Nobody can be told of a stop: the manager looks at its rows once a second."""
    from django.test import override_settings

    with override_settings(CELERY_BROKER_URL=""), manager(slots=2, env={"DC_BROKER_URL": ""}):
        return [stop_once(app) for _ in range(STOPS)]


def up_runs() -> list[float]:
    """What `benchmarks.embedded_runs` prints."""
    argv = [sys.executable, "-m", "benchmarks.embedded_runs", str(ROUNDS // 4)]
    done = subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def plain(measure: str, ours: float, unit: str, *, n: int) -> Figure:
    """A figure without a target."""
    return Figure(measure=measure, ours=ours, unit=unit, target="(none)", ok=True, n=n, command=COMMAND)


def main() -> None:
    """Run the section."""
    os.environ["DC_SOURCES_PATH"] = str(ROOT / "tests" / "rooms")
    # As on any machine but a build server: what Python compiles, it keeps.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".cache" / "bytecode")
    with brokers.rabbitmq() as amqp, brokers.redis_server() as redis:
        os.environ |= {"DC_BROKER_URL": amqp, "DC_REDIS_URL": redis}
        with platform_on_postgres():
            figures = measure()
    sys.exit(0 if publish("runs", figures) else 1)


if __name__ == "__main__":
    main()
