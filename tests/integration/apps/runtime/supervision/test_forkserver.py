"""The forkserver: when it dies, hangs or is out of date, runs go on and new ones start."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from apps.runtime.supervision import fleet as fleet_module
from apps.runtime.supervision import warm as warm_module
from apps.runtime.supervision.fleet import Fleet
from apps.runtime.supervision.tree import look_at
from tests.integration.apps.runtime.supervision.stand import Stand
from tests.integration.apps.runtime.supervision.test_runs import parent


def forkserver(stand: Stand) -> int:
    """The pid of the forkserver, once it is ready."""
    fleet = stand.supervisor._starter.fleet
    stand.until(lambda: fleet.current is not None and fleet.current.is_ready)
    assert fleet.current is not None
    return fleet.current.process.pid


def test_runs_survive_the_death_of_their_forkserver_and_it_is_replaced(own_stand: Stand, tmp_path: Path) -> None:
    stand = own_stand
    first = forkserver(stand)
    run_id = stand.start("sleep", ready=str(tmp_path / "ready"))
    shim = parent(stand.started(run_id).pid)
    assert parent(shim) == first
    os.kill(first, signal.SIGKILL)
    stand.until(lambda: forkserver(stand) != first)
    assert parent(shim) == os.getpid()
    assert stand.outcome("say", code=5).code == 5
    os.kill(stand.started(run_id).pid, signal.SIGKILL)
    report = stand.ended(run_id)
    assert (report.signal, report.reason) == (signal.SIGKILL, "")
    assert look_at(shim) is None


@pytest.mark.parametrize("dies", [True, False])
def test_a_request_that_is_not_answered_is_started_cold_and_once(
    own_stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    stand, register = own_stand, tmp_path / "register"
    pid = forkserver(stand)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(warm_module, "ANSWER_S", 0.2)
    run_id = stand.start(
        "tree", tree={"deaf": False, "closes": False, "lives_s": 0, "children": []}, register=str(register)
    )
    if dies:
        os.kill(pid, signal.SIGKILL)
    assert stand.ended(run_id).code == 0
    assert len(register.read_text().splitlines()) == 1
    assert look_at(pid) is None


def test_one_that_dies_again_and_again_is_given_up_and_runs_start_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "MAX_DEATHS", 2)
    stand = Stand(tmp_path)
    stand.supervisor._starter.fleet.host = replace(
        stand.supervisor._starter.fleet.host, entry="tests.there_is_no_such_module.run"
    )
    assert stand.outcome("say", code=4).code == 4
    stand.until(lambda: len(stand.supervisor._starter.fleet._deaths) == 2)
    assert stand.supervisor._starter.fleet.in_service() is None
    assert stand.outcome("say", code=3).code == 3
    stand.close()


def test_without_warmth_there_is_no_forkserver(tmp_path: Path) -> None:
    stand = Stand(tmp_path, warm=False)
    assert stand.outcome("say", code=2).code == 2
    assert stand.supervisor._starter.fleet.pids() == set()
    stand.close()


def test_it_is_replaced_when_the_code_has_changed(stand: Stand, tmp_path: Path) -> None:
    host = replace(stand.supervisor._host, sources=(tmp_path,))
    fleet = Fleet(host)
    first = fleet.in_service()
    assert first is not None
    assert fleet.in_service() is first
    (tmp_path / "models.py").write_text("# new\n")
    fleet._fingerprint._next_look = 0
    second = fleet.in_service()
    assert second is not None
    assert second is not first
    assert first.process.returncode is not None
    fleet.close()
    assert second.process.returncode is not None
    assert fleet.pids() == set()
