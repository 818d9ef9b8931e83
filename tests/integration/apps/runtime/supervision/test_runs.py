"""One run: how it starts, what is kept of what it says, how its end is told."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from django.conf import settings

from apps.runtime.supervision import CannotStart, Ended, ExitReport, RunSpec, Stage
from apps.runtime.supervision.tree import look_at
from tests.integration.apps.runtime.supervision.stand import Stand


def told(report: ExitReport) -> tuple[int | None, int | None, str, int, str]:
    """What does not differ from time to time."""
    assert report.is_verified
    return report.code, report.signal, report.reason, report.survivors, report.tail


def test_a_collector_is_started_and_its_exit_code_is_told(stand: Stand, warm: bool) -> None:
    run_id = stand.start("say", warm=warm, code=7)
    report = stand.ended(run_id)
    started = stand.started(run_id)
    assert told(report) == (7, None, "", 0, "")
    assert started.limits_by == "shim"
    assert started.pid_started > 0
    assert [type(event).__name__ for event in stand.of(run_id)] == ["Started", "Ended"]
    assert run_id not in stand.supervisor.running()


def test_usage_is_told(stand: Stand, warm: bool) -> None:
    report = stand.outcome("shell", warm=warm, script="i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
    assert report.cpu_s is not None
    assert 0.05 < report.cpu_s < 30
    assert report.peak_memory_bytes is not None
    assert 1_000_000 < report.peak_memory_bytes < 500_000_000


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_the_signal_that_ended_a_collector_is_told(stand: Stand, warm: bool, number: signal.Signals) -> None:
    assert told(stand.outcome("killed", warm=warm, signal=number)) == (None, number, "", 0, "")


def test_an_error_ends_with_one_and_its_last_line(stand: Stand, warm: bool) -> None:
    assert told(stand.outcome("fail", warm=warm, text="no bread")) == (1, None, "", 0, "ValueError: no bread")


def test_lines_of_both_pipes_are_in_the_journal(stand: Stand, warm: bool) -> None:
    run_id = stand.start("say", warm=warm, out=["one\n", "tw", "o\n", "no end"], err=["wrong: \xff\x00\n"], code=1)
    assert stand.ended(run_id).tail == "wrong: \\xff\\x00"
    frames = stand.frames(run_id)
    assert [frame.kind for frame in frames] == ["open", *["log"] * 4, "exit", "seal"]
    assert frames[0].data["role"] == "shim"
    assert frames[0].data["runtime"] == run_id
    said = sorted((frame.data["logger"], frame.data["level"], frame.data["event"]) for frame in frames[1:-2])
    assert said == [
        ("stderr", 30, "wrong: \\xff\\x00"),
        ("stdout", 20, "no end"),
        ("stdout", 20, "one"),
        ("stdout", 20, "two"),
    ]
    assert (frames[-2].data["code"], frames[-2].data["signal"], frames[-2].data["reason"]) == (1, None, "")


def test_secrets_are_masked_in_lines_and_in_the_last_words(stand: Stand, warm: bool) -> None:
    run_id = stand.start("say", warm=warm, err=[f"refused: {settings.SECRET_KEY} at http://me:hush@example.org/\n"])
    report = stand.ended(run_id)
    assert report.tail == "refused: ****** at http://******@example.org/"
    assert stand.lines(run_id) == [report.tail]


def test_threads_and_exit_functions_have_their_say(stand: Stand, warm: bool) -> None:
    run_id = stand.start("exits_late", warm=warm)
    assert stand.ended(run_id).code == 0
    assert stand.lines(run_id) == ["said by the thread", "said at the end"]


def test_a_collector_begins_as_a_clean_process(stand: Stand, warm: bool, tmp_path: Path) -> None:
    stand.outcome("facts", warm=warm, path=str(tmp_path / "facts"))
    facts = json.loads((tmp_path / "facts").read_text())
    assert facts == {"default": [True] * 4, "mask": 0, "group": True, "stdin": "", "threads": 1}


def test_a_collector_inherits_no_descriptor_of_ours_or_of_other_runs(stand: Stand, warm: bool, tmp_path: Path) -> None:
    other = stand.start("sleep", warm=warm)
    stand.started(other)
    stand.outcome("descriptors", warm=warm, path=str(tmp_path / "found"))
    found = {int(fd): target for fd, target in json.loads((tmp_path / "found").read_text()).items()}
    assert not [target for fd, target in found.items() if fd > 2 and "/proc/" not in target]
    assert not [target for target in found.values() if target.startswith("socket:")]
    stand.supervisor.kill(other)
    stand.ended(other)


def test_a_stop_gives_the_collector_its_grace(stand: Stand, warm: bool, tmp_path: Path) -> None:
    run_id = stand.start("polite", warm=warm, ready=str(tmp_path / "ready"))
    stand.until((tmp_path / "ready").exists)
    stand.supervisor.stop(run_id)
    stand.supervisor.stop(run_id)
    assert told(stand.ended(run_id)) == (143, None, "stop", 0, "")
    stages = [event.stage for event in stand.of(run_id) if isinstance(event, Stage)]
    assert stages == ["asked", "grace", "verified"]


def test_who_does_not_listen_is_killed_when_the_grace_is_over(stand: Stand, warm: bool, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    run_id = stand.start("sleep", warm=warm, deaf=True, ready=str(ready), limits={"stop_grace_s": 0.5})
    stand.until(ready.exists)
    begun = time.monotonic()
    stand.supervisor.stop(run_id)
    assert told(stand.ended(run_id)) == (None, signal.SIGKILL, "stop_killed", 0, "")
    assert time.monotonic() - begun >= 0.5
    stages = [event.stage for event in stand.of(run_id) if isinstance(event, Stage)]
    assert stages == ["asked", "grace", "killed", "verified"]


def test_a_kill_does_not_wait(stand: Stand, warm: bool, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    run_id = stand.start("sleep", warm=warm, deaf=True, ready=str(ready), limits={"stop_grace_s": 600})
    stand.until(ready.exists)
    stand.supervisor.stop(run_id)
    stand.supervisor.kill(run_id)
    assert told(stand.ended(run_id)) == (None, signal.SIGKILL, "stop_killed", 0, "")


def test_a_long_grace_does_not_outlive_the_manager(stand: Stand, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    run_id = stand.start("sleep", warm=False, deaf=True, ready=str(ready), limits={"stop_grace_s": 600})
    stand.until(ready.exists)
    pid = stand.started(run_id).pid
    stand.supervisor.stop(run_id)
    stand.until(lambda: Stage(run_id, "grace") in stand.of(run_id))
    stand.supervisor._starter.cut(stand.supervisor._runs[run_id])
    stand.ended(run_id, seconds=60)
    assert look_at(pid) is None
    assert [frame.data["reason"] for frame in stand.frames(run_id) if frame.kind == "exit"] == ["stop_killed"]


def test_a_stop_during_the_start_starts_nothing_or_ends_it(stand: Stand, warm: bool) -> None:
    run_id = stand.start("sleep", warm=warm)
    stand.supervisor.stop(run_id)
    report = stand.ended(run_id)
    assert report.reason == "stop"
    assert report.signal in (None, signal.SIGTERM)


def test_a_run_is_not_started_twice(stand: Stand) -> None:
    run_id = stand.start("sleep")
    with pytest.raises(CannotStart, match="is there already"):
        stand.supervisor.start(RunSpec(run_id=run_id, app_id=1, app_code="trial.odd.body", epoch=1, args={}))
    stand.supervisor.kill(run_id)
    stand.ended(run_id)


def test_children_that_outlive_their_collector_are_counted_and_killed(stand: Stand, warm: bool) -> None:
    begun = time.monotonic()
    run_id = stand.start("holds_pipe", warm=warm)
    assert told(stand.ended(run_id)) == (0, None, "", 1, "the parent goes")
    assert time.monotonic() - begun < 20


def test_the_death_of_a_shim_ends_its_run(stand: Stand, warm: bool) -> None:
    # With a limit that puts it into a control group, where there are any.
    run_id = stand.start("breed", warm=warm, processes=3, limits={"process_limit": 50})
    other = stand.start("sleep", warm=not warm)
    started, _ = stand.started(run_id), stand.started(other)
    shim = parent(started.pid)
    stand.until(lambda: len(children(started.pid)) == 3)
    pids = [started.pid, *children(started.pid)]
    kill(shim)
    assert told(stand.ended(run_id)) == (None, signal.SIGKILL, "shim_lost", 0, "")
    base = stand.supervisor._host.cgroup
    assert base is None or not list(base.glob(f"dc-run-{run_id}"))
    assert not [pid for pid in pids if (process := look_at(pid)) and not process.is_zombie]
    assert other in stand.supervisor.running()
    stand.supervisor.stop(other)
    assert stand.ended(other).reason == "stop"


def test_many_runs_at_once_each_end_with_their_own_code(stand: Stand) -> None:
    runs = {stand.start("say", code=code): code for code in range(30)}
    assert {run_id: stand.ended(run_id).code for run_id in runs} == runs
    assert sum(isinstance(event, Ended) for run_id in runs for event in stand.of(run_id)) == 30


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(pid: int) -> None:
    import os

    os.kill(pid, signal.SIGKILL)
