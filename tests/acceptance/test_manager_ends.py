"""How a manager is ended: by a key, by Ctrl-C, by TERM before it knows the database; and what becomes of its runs."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import start_time
from tests.acceptance.conftest import ROOMS, ROOT, Manage, wait_for
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ESC, ARROW_UP, CTRL_C = b"\x1b", b"\x1b[A", b"\x03"


class Terminal:
    """A process with a terminal of its own, as a person would have started it."""

    def __init__(self, *argv: str) -> None:
        self.keys, screen = pty.openpty()
        self.before = termios.tcgetattr(self.keys)
        self.said = b""
        self.process = Popen(
            ["setsid", "--ctty", sys.executable, "manage.py", *argv],
            cwd=ROOT,
            env={**os.environ, "DC_SOURCES_PATH": str(ROOMS)},
            stdin=screen,
            stdout=screen,
            stderr=screen,
        )
        os.close(screen)

    def press(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def read(self) -> None:
        """A terminal that nobody reads holds up who writes to it."""
        while select.select([self.keys], [], [], 0)[0]:
            try:
                self.said += os.read(self.keys, 65536)
            except OSError:
                return  # the other end is closed

    def until(self, condition: Callable[[], object], *, seconds: float = 60) -> None:
        def holds() -> object:
            self.read()
            return condition()

        wait_for(holds, seconds=seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keys)


@pytest.fixture
def terminal(transactional_db: None) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*argv: str) -> Terminal:
        opened.append(Terminal(*argv))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def works(run: Runtime) -> bool:
    return run.logs.filter(message="item.collected").exists()


def test_escape_stops_the_runs_with_their_grace_and_an_arrow_key_does_nothing(
    terminal: Callable[..., Terminal],
) -> None:
    run = make_run(make_app("trial.odd.slow"))
    screen = terminal("manager", "--stop-apps")
    screen.until(lambda: works(run))
    running = Runtime.objects.get(pk=run.pk)
    screen.press(ARROW_UP)
    lines = run.logs.count()
    screen.until(lambda: run.logs.count() > lines)
    assert not Node.objects.get().is_draining
    screen.press(ESC)
    screen.until(lambda: screen.process.poll() is not None)
    assert screen.process.returncode == 0, screen.said
    run.refresh_from_db()
    assert (run.state, run.exit_code, run.journal_complete) == (State.STOPPED, 143, True)
    assert run.cause.startswith("Manager exit: Asked to stop (SIGTERM)")
    assert start_time(running.pid or 0) is None
    assert Node.objects.get().end_cause == "It was told to stop."
    # What is typed is seen again, as before.
    assert termios.tcgetattr(screen.keys)[3] == screen.before[3]


def test_ctrl_c_reaches_the_manager_alone_and_with_drain_its_runs_finish(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    app = make_app("trial.odd.slow", max_parallel=2, args={"items": 1, "until": str(tmp_path / "finish")})
    run = make_run(app)
    screen = terminal("manager", "--drain")
    screen.until(lambda: works(run))
    screen.press(CTRL_C)
    screen.until(lambda: Node.objects.filter(is_draining=True).exists())
    late = make_run(app)
    (tmp_path / "finish").touch()
    screen.until(lambda: screen.process.poll() is not None)
    assert screen.process.returncode == 0, screen.said
    run.refresh_from_db()
    late.refresh_from_db()
    assert (run.state, late.state) == (State.SUCCEEDED, State.QUEUED)
    assert b"Traceback" not in screen.said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_manager_that_waits_for_its_database_ends_when_it_is_told_to(manage: Manage, how: signal.Signals) -> None:
    process = manage("manager", DC_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", DC_DATABASE_DATA_URL="")
    assert process.stdout is not None
    said = ""
    while "manager.database_away" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(how)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said + rest) == (0, False), said + rest


def test_drain_and_stop_apps_are_one_or_the_other(finish: Callable[..., tuple[int, str]]) -> None:
    code, said = finish("manager", "--drain", "--stop-apps")
    assert code == 2
    assert "not allowed with argument" in said
