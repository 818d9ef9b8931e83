"""Limits: each is held, and its name is the reason."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from apps.runtime.supervision.lease import CUT_OFF_S, LeaseNote, boot_time
from tests.integration.apps.runtime.supervision.stand import Stand

MB = 1024 * 1024


def test_the_time_limit_asks_first(stand: Stand, warm: bool, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    report = stand.outcome("polite", warm=warm, asked=str(asked), limits={"time_limit_s": 0.3})
    # On a busy machine the limit may come before Python has started: TERM ends that, and KILL in no case.
    assert (report.code, report.signal) == ((143, None) if asked.exists() else (None, signal.SIGTERM))
    assert report.reason == "time_limit"


def test_who_does_not_listen_is_killed_a_grace_after_the_time_limit(stand: Stand, warm: bool) -> None:
    begun = time.monotonic()
    report = stand.outcome("sleep", warm=warm, deaf=True, limits={"time_limit_s": 0.5, "stop_grace_s": 1})
    assert (report.code, report.signal, report.reason) == (None, signal.SIGKILL, "time_limit")
    assert 1.5 <= time.monotonic() - begun < 20


def test_memory(stand: Stand, warm: bool) -> None:
    report = stand.outcome("hoard", warm=warm, limits={"memory_limit_bytes": 150 * MB})
    assert (report.signal, report.reason) == (signal.SIGKILL, "memory")
    assert report.peak_memory_bytes is not None
    assert report.peak_memory_bytes > 150 * MB


def test_cpu_time(stand: Stand, warm: bool) -> None:
    report = stand.outcome("spin", warm=warm, limits={"cpu_limit_s": 1})
    assert (report.signal, report.reason) == (signal.SIGTERM, "cpu")
    assert report.cpu_s is not None
    assert report.cpu_s >= 1


def test_cpu_time_of_children_that_are_gone_counts(stand: Stand) -> None:
    script = "while true; do sh -c 'i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done'; done"
    report = stand.outcome("shell", script=script, limits={"cpu_limit_s": 1, "stop_grace_s": 0.2})
    assert report.reason == "cpu"


@pytest.mark.parametrize("do", [{"do": "breed", "processes": 40}, {"do": "bomb", "levels": 8}])
def test_processes(stand: Stand, warm: bool, do: dict[str, object]) -> None:
    report = stand.outcome(**do, warm=warm, limits={"process_limit": 10})  # type: ignore[arg-type]
    assert (report.signal, report.reason) == (signal.SIGKILL, "processes")


def test_who_stays_below_the_limits_does_not_notice_them(stand: Stand, warm: bool) -> None:
    limits = {"memory_limit_bytes": 500 * MB, "cpu_limit_s": 60, "process_limit": 5, "time_limit_s": 60}
    report = stand.outcome("sleep", warm=warm, seconds=0.6, limits=limits)
    assert (report.code, report.reason) == (0, "")


def test_an_exclusive_run_whose_manager_lost_its_lease_is_asked_to_end_and_killed(stand: Stand, warm: bool) -> None:
    """The note of this manager is not renewed any more; the manager itself is alive and could be heard."""
    note = LeaseNote()
    run_id = stand.start("sleep", warm=warm, deaf=True, limits={"lease_note": note.path, "stop_grace_s": 600})
    stand.started(run_id)
    note.renew(boot_time() - CUT_OFF_S)
    report = stand.ended(run_id)
    assert (report.signal, report.reason, report.is_verified) == (signal.SIGKILL, "lease", True)


def test_an_exclusive_run_goes_on_while_its_manager_holds_its_lease(stand: Stand) -> None:
    report = stand.outcome("sleep", seconds=0.6, limits={"lease_note": LeaseNote().path})
    assert (report.code, report.reason) == (0, "")
