"""A small platform that may be hurt: managers as processes, a PostgreSQL of its own, apps whose runs keep ledgers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from django.db import DatabaseError, connections

from apps.registry.models import App
from apps.runtime.models import ENDED, LIVE, MOVES, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import start_time
from apps.runtime.supervision.tree import child_pids
from tests.acceptance.conftest import ROOT
from tests.integration.factories import make_app, make_run
from tests.services import postgres

#: What the database itself saw: every move of every run, whoever made it.
WITNESS = """
CREATE TABLE witness (run text NOT NULL, was text NOT NULL, is_now text NOT NULL);
CREATE FUNCTION bear_witness() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO witness VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END';
CREATE TRIGGER witness AFTER UPDATE OF state ON runtime_runtime FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION bear_witness();
"""
LEGAL = {(str(was), str(now)) for now, before in MOVES.items() for was in before}
DEADLINE_S = 90.0


def wait_until(condition: Callable[[], Any], what: str, *, seconds: float = DEADLINE_S) -> Any:
    """What `condition` returns once it is true; a database that is away is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except DatabaseError:
            connections.close_all()
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s in vain: {what}")


class Platform:
    """What the faults happen to."""

    def __init__(self, folder: Path, server: postgres.OwnServer) -> None:
        self.folder, self.server = folder, server
        self.ledgers = folder / "ledgers"
        self.managers: list[subprocess.Popen[bytes]] = []
        self.apps: list[App] = []
        self.env = {
            **os.environ,
            "DC_DATABASE_URL": server.url,
            "DC_DATABASE_DATA_URL": "",
            "DC_SOURCES_PATH": str(folder / "rooms"),
        }

    def build(self, names: tuple[str, ...]) -> None:
        """The tables, the witness, and an app of each name; every second one is started cold."""
        self.ledgers.mkdir()
        migration = self._manage("migrate")
        assert migration.wait(120) == 0, self.said()
        with psycopg.connect(self.server.url) as database:
            database.execute(WITNESS)
        for number, name in enumerate(names):
            room = self.folder / "rooms" / "chaos" / "ledger" / name
            shutil.copytree(Path(__file__).parent / "room", room, ignore=shutil.ignore_patterns("__pycache__"))
            self.apps.append(make_app(f"chaos.ledger.{name}", warm_start=number % 2 == 0, stop_grace_s=2))

    def _manage(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "manage.py", *argv],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def said(self) -> str:
        """The last words of its processes."""
        return (self.folder / "said").read_text(errors="replace")[-4000:]

    def start_manager(self) -> None:
        """One more manager, registered."""
        manager = self._manage("manager", "--slots", "2")
        self.managers.append(manager)
        wait_until(lambda: Node.objects.filter(pid=manager.pid).exists(), f"a manager starts\n{self.said()}")

    def close(self) -> list[int]:
        """End all managers. Their exit codes."""
        for manager in self.managers:
            if manager.poll() is None:
                manager.send_signal(signal.SIGCONT)
                manager.terminate()
        for manager in self.managers:
            try:
                manager.wait(60)
            except subprocess.TimeoutExpired:
                manager.kill()
        return [manager.wait() for manager in self.managers]

    # -- Runs ----------------------------------------------------------------------------------------------------------

    def queue(self, each: int) -> list[str]:
        """So many runs of each app, one behind the other."""
        args = {"folder": str(self.ledgers)}
        return [make_run(app, args=args).pk for _ in range(each) for app in self.apps]

    def ledger(self, run_id: str) -> list[int]:
        """The lines a run has said for certain."""
        path = self.ledgers / f"{run_id}.ledger"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def busy(self, run_ids: list[str]) -> Runtime | None:
        """A run of these that works, and has not come far."""
        for run in Runtime.objects.filter(pk__in=run_ids, state=State.RUNNING).order_by("-started_at"):
            if 0 < len(self.ledger(run.pk)) < 30 and start_time(run.pid or 0) == run.pid_started:
                return run
        return None

    def has_ended(self, run_ids: list[str]) -> bool:
        """Whether every run has reached its end."""
        return not Runtime.objects.filter(pk__in=run_ids).exclude(state__in=ENDED).exists()

    def processes(self, run_id: str) -> list[int]:
        """Every collector of a run there ever was, and its shim."""
        path = self.ledgers / f"{run_id}.pids"
        return [int(pid) for line in path.read_text().splitlines() for pid in line.split()] if path.exists() else []

    # -- What has to hold whatever happened ----------------------------------------------------------------------------

    def assert_quiet(self, run_ids: list[str]) -> None:
        """All runs end, and everything about them is as it should be."""
        wait_until(lambda: self.has_ended(run_ids), f"all runs end\n{self.said()}")
        alive = {
            run_id: [pid for pid in self.processes(run_id)[::2] if start_time(pid) is not None] for run_id in run_ids
        }
        assert not any(alive.values()), f"collectors outlive their runs: {alive}"
        shims = {pid for run_id in run_ids for pid in self.processes(run_id)[1::2]}
        wait_until(lambda: not any(map(start_time, shims)), "no shim outlives its run", seconds=5)
        assert not Runtime.objects.filter(state__in=LIVE).exists()
        assert not (self.ledgers / "doubles").exists(), (self.ledgers / "doubles").read_text()
        self._assert_moves(run_ids)
        for run_id in run_ids:
            self._assert_lines(run_id)

    def _assert_moves(self, run_ids: list[str]) -> None:
        with psycopg.connect(self.server.url) as database:
            moves = database.execute("SELECT run, was, is_now FROM witness WHERE run = ANY(%s)", [run_ids]).fetchall()
        assert {(was, now) for _, was, now in moves} <= LEGAL
        ends = [run_id for run_id, _, now in moves if now in ENDED]
        assert sorted(ends) == sorted(run_ids), "every run ends once"

    def _assert_lines(self, run_id: str) -> None:
        run, said = Runtime.objects.get(pk=run_id), self.ledger(run_id)
        lines = list(run.logs.order_by("line_number").values_list("line_number", "message", "context_json"))
        stored = [context["number"] for _, message, context in lines if message == "line.said"]
        # The last line may have been said and not entered.
        assert stored in (said, [*said, len(said)]), f"{run_id} {run.state} {run.cause}"
        assert [number for number, _, _ in lines] == list(range(1, len(lines) + 1)), run_id
        assert run.journal_complete, f"{run_id} {run.state} {run.cause}"

    # -- Finding processes ---------------------------------------------------------------------------------------------

    def forkserver(self, manager: subprocess.Popen[bytes]) -> int | None:
        """The forkserver of a manager."""
        for pid in child_pids(manager.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "dc-forkserver":
                    return pid
        return None


@contextmanager
def platform_on_its_own_server(folder: Path, names: tuple[str, ...]) -> Iterator[Platform]:
    """A platform whose database is also the one of this process."""
    server = postgres.start_own(postgres.SAFE_WITHOUT_POWER_CUTS)
    connection = connections["default"]
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(HOST=str(server.folder), NAME="postgres", USER="postgres", PASSWORD="", PORT="")
    platform = Platform(folder, server)
    try:
        platform.build(names)
        yield platform
    finally:
        platform.close()
        connections.close_all()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
        server.stop()
