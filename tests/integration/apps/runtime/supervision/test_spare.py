"""The shim that is forked ahead of its run: it is used once, ends when it is not needed, and is not relied upon."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from apps.runtime.supervision.spare import Spare
from apps.runtime.supervision.tree import child_pids, look_at
from tests.integration.apps.runtime.supervision.stand import Stand
from tests.integration.apps.runtime.supervision.test_runs import parent


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("ahead"))
    yield stand
    stand.close()


def spare_of(stand: Stand) -> tuple[Spare, int]:
    """The shim that waits, and the pid of what it has forked to become the collector."""
    starter = stand.supervisor._starter

    def waiting() -> tuple[Spare, int] | None:
        spare = starter._spare
        found = child_pids(spare.pid) if spare is not None and spare.pidfd >= 0 else []
        return (spare, found[0]) if spare is not None and found else None

    found: tuple[Spare, int] = stand.until(waiting)
    return found


def test_a_run_becomes_what_was_forked_ahead_of_it(ahead: Stand) -> None:
    spare, child = spare_of(ahead)
    run_id = ahead.start("sleep")
    assert ahead.started(run_id).pid == child
    assert parent(child) == spare.pid
    # Another one waits for the next run, and has nothing to do with this one.
    another, _ = spare_of(ahead)
    assert another.pid != spare.pid
    ahead.supervisor.stop(run_id)
    assert ahead.ended(run_id).signal == signal.SIGTERM
    # Its end is told before the forkserver, whose child it is, has cleared it away.
    ahead.until(lambda: look_at(spare.pid) is None)
    assert look_at(child) is None


@pytest.mark.parametrize("which", ["shim", "collector"])
def test_one_that_was_killed_is_passed_over(ahead: Stand, which: str) -> None:
    spare, child = spare_of(ahead)
    pid = spare.pid if which == "shim" else child
    os.kill(pid, signal.SIGKILL)
    ahead.until(lambda: (found := look_at(pid)) is None or found.is_zombie)
    run_id = ahead.start("say", code=5)
    assert ahead.ended(run_id).code == 5
    assert ahead.started(run_id).pid != child


def test_it_ends_with_its_forkserver(ahead: Stand) -> None:
    spare, child = spare_of(ahead)
    os.kill(spare.warm.process.pid, signal.SIGKILL)
    ahead.until(lambda: spare_of(ahead)[0].warm is not spare.warm)
    ahead.until(lambda: look_at(spare.pid) is None and look_at(child) is None)
    assert ahead.outcome("say", code=6).code == 6


def test_it_ends_with_its_supervisor(tmp_path_factory: pytest.TempPathFactory) -> None:
    stand = Stand(tmp_path_factory.mktemp("closing"))
    spare, child = spare_of(stand)
    stand.close()
    assert look_at(spare.pid) is None
    assert look_at(child) is None
