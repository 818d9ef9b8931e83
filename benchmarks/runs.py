"""From a request to the first line of collector code, and what a run costs: real manager, database and broker."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres
from tests.services import brokers

ROOT = Path(__file__).parent.parent
COMMAND = "make bench SECTION=runs"
QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 20 if QUICK else 200
PATIENCE_S = 30.0


def plain_child() -> float:
    """Milliseconds until a plain child has set Django up: what a run costs without a warm process."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import django; django.setup()"], cwd=ROOT, check=True)
    return 1000 * (time.monotonic() - begun)


def measure() -> list[Figure]:
    """One run after the other: requested by the command START, timed by the first line its source logs."""
    from apps.registry.services import register_app
    from apps.runtime.models import Command, Runtime
    from apps.runtime.node_models import Node
    from apps.runtime.services import issue_command
    from collectors.identity import parse_code

    app = register_app(parse_code("trial.odd.slow"))
    app.is_enabled, app.args = True, {"seconds": 0.0, "items": 1}
    app.save()
    manager = subprocess.Popen([sys.executable, "manage.py", "manager", "--slots", "2"], cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not Node.objects.filter(ended_at=None).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(5)
        firsts, ends, loads = [], [], []
        for _ in range(ROUNDS):
            begun = time.time()
            run = issue_command(app, Command.Verb.START, source=Command.Source.ADMIN).runtime
            if run is None:
                raise SystemExit("The app is live still: the run before it has not ended.")
            deadline = time.monotonic() + PATIENCE_S
            while not Runtime.objects.filter(pk=run.pk, ended_at__isnull=False).exists():
                if time.monotonic() > deadline:
                    raise SystemExit(f"The run {run.pk} has not ended within {PATIENCE_S:g} s.")
                time.sleep(0.02)
            run.refresh_from_db()
            said = run.logs.filter(message="item.collected").get()
            firsts.append(1000 * (said.logged_at.timestamp() - begun))
            ends.append(1000 * (run.ended_at.timestamp() - begun) if run.ended_at else 0.0)
            loads.append(1000 * (run.cpu_s or 0.0))
    finally:
        manager.terminate()
        manager.wait(60)
    child = statistics.median(plain_child() for _ in range(3))
    p50, p95 = statistics.median(firsts), statistics.quantiles(firsts, n=20)[18]
    cpu = statistics.median(loads)
    name = "request -> first line of collector code, PostgreSQL and RabbitMQ"
    peers = {"plain Django child": child}
    return [
        Figure(
            measure=f"{name}, p50",
            ours=p50,
            unit="ms",
            target="<= 25 ms",
            ok=p50 <= 25,
            n=ROUNDS,
            command=COMMAND,
            peers=peers,
            ratio=p50 / child,
        ),
        Figure(measure=f"{name}, p95", ours=p95, unit="ms", target="<= 75 ms", ok=p95 <= 75, n=ROUNDS, command=COMMAND),
        Figure(
            measure="request -> run ended and its lines stored, p50",
            ours=statistics.median(ends),
            unit="ms",
            target="(none)",
            ok=True,
            n=ROUNDS,
            command=COMMAND,
        ),
        Figure(
            measure="CPU of a run as its row says, shim and no-op collector",
            ours=cpu,
            unit="ms",
            target="<= 25 ms",
            ok=cpu <= 25,
            n=ROUNDS,
            command=COMMAND,
        ),
    ]


def main() -> None:
    """Run the section."""
    os.environ["DC_SOURCES_PATH"] = str(ROOT / "tests" / "rooms")
    with brokers.rabbitmq() as amqp, brokers.redis_server() as redis:
        os.environ |= {"DC_BROKER_URL": amqp, "DC_REDIS_URL": redis}
        with platform_on_postgres():
            figures = measure()
    sys.exit(0 if publish("runs", figures) else 1)


if __name__ == "__main__":
    main()
