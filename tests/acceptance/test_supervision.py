"""When a manager is killed, its runs end by themselves: nothing of them lives on, and their journals are whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from collectors.toolkit.journal import read_frames
from tests.acceptance.conftest import ROOT, wait_for
from tests.integration.apps.runtime.supervision.trees import alive, generate, is_full, lives

TREES = max(6, int(os.environ.get("DC_TEST_TREES", "20")) // 4)
AT_ONCE = 6
HOST = "tests.integration.apps.runtime.supervision.host"


class Host:
    """A manager of the tests, as a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.journals = folder / "journal"
        self.process = subprocess.Popen(
            [sys.executable, "-m", HOST, str(folder)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, do: str, **options: Any) -> tuple[str, int]:
        """Have a collector started: its run and its pid."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **options}).encode() + b"\n")
        self.process.stdin.flush()
        run_id, pid = json.loads(self.process.stdout.readline())
        return run_id, pid

    def has_sealed(self, run_id: str) -> bool:
        """Whether the journal of a run's shim says how it ended, and that nothing follows."""
        [path] = (self.journals / run_id).glob("*.journal")
        last = [(frame.kind, frame.data.get("reason")) for frame in read_frames(path).frames[-2:]]
        return last == [("exit", "manager_lost"), ("seal", None)]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def is_empty(register: Path) -> bool:
    """Whether nobody of a tree is alive."""
    return not alive(register)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.kill()


@pytest.mark.parametrize("first", range(0, TREES, AT_ONCE))
def test_nothing_of_any_tree_outlives_a_killed_manager(host: Host, tmp_path: Path, first: int) -> None:
    runs: dict[str, Path] = {}
    for seed in range(10_000 + first, 10_000 + min(first + AT_ONCE, TREES)):
        tree, register = generate(seed), tmp_path / str(seed)
        limits = {"stop_grace_s": 0.5}
        run_id, _ = host.start("tree", warm=seed % 2 == 0, tree=tree, register=str(register), limits=limits)
        wait_for(partial(is_full, register, tree))
        runs[run_id] = register
    host.kill()
    for run_id, register in runs.items():
        wait_for(partial(is_empty, register))
        wait_for(partial(host.has_sealed, run_id))


def test_a_collector_without_a_manager_has_its_grace_but_no_more_than_a_lease_allows(
    host: Host, tmp_path: Path
) -> None:
    limits = {"stop_grace_s": 600}
    polite, deaf = [], []
    for warm in (True, False):
        ready = [tmp_path / f"{do} {warm}" for do in ("polite", "deaf")]
        polite.append(host.start("polite", warm=warm, ready=str(ready[0]), limits=limits)[1])
        deaf.append(host.start("sleep", warm=warm, deaf=True, ready=str(ready[1]), limits=limits)[1])
        for path in ready:
            wait_for(path.exists)
    begun = time.monotonic()
    host.kill()
    wait_for(lambda: not any(map(lives, polite)))
    assert time.monotonic() - begun < 9
    assert all(map(lives, deaf))
    wait_for(lambda: not any(map(lives, deaf)))
    assert time.monotonic() - begun < 16


def test_a_manager_that_is_killed_takes_its_forkserver_along(host: Host) -> None:
    _, pid = host.start("sleep", limits={"stop_grace_s": 0.5})
    children = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()
    assert children
    os.kill(host.process.pid, signal.SIGKILL)
    wait_for(lambda: not any(lives(int(child)) for child in children))
    wait_for(lambda: not lives(pid))
