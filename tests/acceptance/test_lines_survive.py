"""Collectors and shippers are killed at random moments: no line that was said is lost, none is there twice.

`DC_TEST_KILLS` and `DC_TEST_RESTARTS` (of the database) say how often; a few here, many in `make chaos`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from apps.logs.models import Log
from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from tests.acceptance.conftest import Manage, wait_for
from tests.services import postgres

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

KILLS = int(os.environ.get("DC_TEST_KILLS", "4"))
RESTARTS = int(os.environ.get("DC_TEST_RESTARTS", "2"))


def numbers(run: Runtime) -> list[int]:
    lines = Log.objects.filter(runtime=run, message="line.said").order_by("line_number")
    return [context["number"] for context in lines.values_list("context_json", flat=True)]


def has_database(pid: int) -> bool:
    """Whether the process has opened the database: a file, or a connection."""
    with suppress(OSError):
        opened = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        return any(path.endswith(".sqlite3") or path.startswith("socket:") for path in opened)
    return False


def dense(run: Runtime) -> bool:
    found = list(Log.objects.filter(runtime=run).order_by("line_number").values_list("line_number", flat=True))
    return found == list(range(1, len(found) + 1))


def test_no_line_is_lost_or_doubled_when_collectors_are_killed(manage: Manage, tmp_path: Path) -> None:
    moments = random.Random(7)
    lost: list[Runtime] = []
    for kill in range(KILLS):
        ledger = tmp_path / f"ledger-{kill}"
        collector = manage("runcollector", "trial.odd.talkative", "--arg", f"ledger={ledger}")
        wait_for(lambda ledger=ledger: ledger.exists() and ledger.stat().st_size)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 1.5))
        collector.send_signal(signal.SIGKILL)
        collector.wait()
        assert_ended(lost)
        run = Runtime.objects.get(state=State.RUNNING)
        # A shipper of another process is killed in the middle of the rest, then one finishes.
        shipper = manage("journal", "replay")
        wait_for(lambda shipper=shipper: shipper.poll() is not None or has_database(shipper.pid))  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.1))
        shipper.send_signal(signal.SIGKILL)
        shipper.wait()
        output, _ = manage("journal", "replay").communicate(timeout=120)
        said = [int(line) for line in ledger.read_text().splitlines()]
        stored = numbers(run)
        # The last line may have been said and not noted.
        assert stored in (said, [*said, len(said)]), output
        assert dense(run)
        lost.append(run)
    manage("runcollector", "trial.odd.talkative", "--arg", f"ledger={ledger}", "--arg", "lines=1").wait(60)
    assert_ended(lost)


def assert_ended(lost: list[Runtime]) -> None:
    """What the next run of the app, or a manager, does first: the runs before it have ended."""
    for run in lost:
        run.refresh_from_db()
        assert (run.state, run.journal_complete) == (State.CRASHED, True)


def test_no_line_is_lost_or_doubled_when_the_manager_is_killed_too(manage: Manage, tmp_path: Path) -> None:
    from tests.integration.factories import make_app, make_run

    ledger = tmp_path / "ledger"
    run = make_run(make_app("trial.odd.talkative"), args={"ledger": str(ledger)})
    manager = manage("manager")
    wait_for(Node.objects.exists)
    wait_for(lambda: ledger.exists() and ledger.stat().st_size)
    # The manager writes down the process after it was started.
    running = wait_for(lambda: Runtime.objects.filter(pk=run.pk, pid__isnull=False).first())
    time.sleep(0.5)
    os.kill(manager.pid, signal.SIGKILL)
    # It ends by itself when its manager is gone, which may be now.
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    manage("manager")
    wait_for(lambda: Runtime.objects.filter(pk=run.pk, ended_at__isnull=False).exists())
    run.refresh_from_db()
    assert (run.state, run.journal_complete) == (State.CRASHED, True)
    said = [int(line) for line in ledger.read_text().splitlines()]
    assert numbers(run) in (said, [*said, len(said)])
    assert dense(run)


def test_no_line_is_lost_or_doubled_when_the_database_restarts(manage: Manage, tmp_path: Path) -> None:
    ledger, moments = tmp_path / "ledger", random.Random(11)
    server = postgres.start_own(postgres.SAFE_WITHOUT_POWER_CUTS)
    env = {"DC_DATABASE_URL": server.url, "DC_DATABASE_DATA_URL": "", "DC_DATA_DIR": str(tmp_path / "data")}
    try:
        migration = manage("migrate", **env)
        output, _ = migration.communicate(timeout=120)
        assert migration.returncode == 0, output
        talk = [f"ledger={ledger}", f"lines={1500 * RESTARTS}", "pause_s=0.001"]
        collector = manage("runcollector", "trial.odd.talkative", *(f"--arg={pair}" for pair in talk), **env)
        wait_for(lambda: ledger.exists() and ledger.stat().st_size, seconds=60)
        for restart in range(RESTARTS):
            time.sleep(moments.uniform(0.3, 1.2))
            server.restart(signal.SIGQUIT if restart % 2 else signal.SIGINT)
        output, _ = collector.communicate(timeout=120)
        assert collector.returncode == 0, output
        with psycopg.connect(server.url) as database:
            (ended,) = database.execute("SELECT state, journal_complete FROM runtime_runtime").fetchall()
            lines = database.execute(
                "SELECT line_number, context_json -> 'number', message FROM logs_log ORDER BY line_number"
            ).fetchall()
    finally:
        server.stop()
    assert ended == ("SUCCEEDED", True), output
    assert [number for _, number, text in lines if text == "line.said"] == list(range(1500 * RESTARTS))
    assert [number for number, _, _ in lines] == list(range(1, len(lines) + 1))
