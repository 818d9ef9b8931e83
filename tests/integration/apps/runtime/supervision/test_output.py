"""What collectors print: however much and whatever it is, memory stays flat and nothing else suffers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from apps.runtime.supervision.output import BURST_S, LINE_BYTES, LINES_PER_S
from tests.integration.apps.runtime.supervision.stand import Stand
from tests.integration.apps.runtime.supervision.test_runs import parent

MB = 1024 * 1024


def peak_resident(pid: int) -> int:
    """The most memory that a process has had resident, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def test_a_line_of_a_gigabyte_is_cut_and_the_next_one_is_whole(stand: Stand) -> None:
    run_id = stand.start("long_line", warm=False, megabytes=1000)
    shim = parent(stand.started(run_id).pid)
    most = 0

    def has_ended() -> bool:
        nonlocal most
        with suppress(OSError, ValueError):
            most = max(most, peak_resident(shim))
        return run_id not in stand.supervisor.running()

    stand.until(has_ended, seconds=60)
    first, second = [frame.data for frame in stand.frames(run_id) if frame.kind == "log"]
    assert first["event"] == "a" * LINE_BYTES
    assert first["c"] == {"truncated": True, "bytes": 1_000_000_000}
    assert second["event"] == "the next line"
    assert "c" not in second
    assert 0 < most < 60 * MB


def test_a_flood_waits_and_loses_nothing_and_a_stop_still_works(stand: Stand) -> None:
    run_id = stand.start("flood", warm=False)
    shim = parent(stand.started(run_id).pid)
    path = stand.until(lambda: next((stand.journals / run_id).glob("*.journal"), None))
    stand.until(lambda: path.stat().st_size > 5_000_000)
    assert peak_resident(shim) < 60 * MB
    stand.supervisor.stop(run_id)
    report = stand.ended(run_id)
    assert report.reason == "stop"
    lines = stand.lines(run_id)
    whole = lines[:-1]
    assert whole == [str(number) for number in range(len(whole))]
    assert len(whole) > LINES_PER_S * BURST_S


def test_a_progress_bar_leaves_its_last_state(stand: Stand) -> None:
    run_id = stand.start("say", out=["".join(f"\r{n} %" for n in range(101)), "\r\n", "done\r\n"])
    stand.ended(run_id)
    assert stand.lines(run_id) == ["100 %", "done"]
