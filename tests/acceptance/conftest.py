"""Real processes on the database of the test run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
ROOMS = ROOT / "tests" / "rooms"

Manage = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def manage(transactional_db: None) -> Iterator[Manage]:
    """Starts `manage.py ...` with the rooms of the tests; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *argv],
            cwd=ROOT,
            env={**os.environ, "DC_SOURCES_PATH": str(ROOMS), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def finish(manage: Manage) -> Callable[..., tuple[int, str]]:
    """Runs `manage.py ...` to its end: `(exit code, everything it printed)`."""

    def run(*argv: str, **env: str) -> tuple[int, str]:
        process = manage(*argv, **env)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    return run


def heeds(process: subprocess.Popen[str], signum: signal.Signals) -> bool:
    """Whether the process has a handler for the signal. A program that has only just been started has none yet."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signum - 1) & 1)


def wait_for(condition: Callable[[], Any], *, seconds: float = 30) -> Any:
    """What `condition` returns once it is true. Fails when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")
