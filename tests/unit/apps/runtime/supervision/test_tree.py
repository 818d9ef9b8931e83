"""Processes are found below their ancestor, and signals reach exactly the one that is meant."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.runtime.supervision.tree import Process, descendants, kill_all, look_at, memory_of, send

NS_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def seen(pid: int) -> Process:
    found = look_at(pid)
    assert found is not None
    return found


def test_a_signal_reaches_the_process_that_is_meant(sleeper: subprocess.Popen[bytes]) -> None:
    assert send(seen(sleeper.pid), signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM


def test_no_signal_reaches_a_process_that_only_has_the_pid(sleeper: subprocess.Popen[bytes]) -> None:
    now = seen(sleeper.pid)
    assert not send(now._replace(started=now.started - 1), signal.SIGKILL)
    time.sleep(0.05)
    assert sleeper.poll() is None


def test_a_pid_that_was_given_to_somebody_else_is_not_signalled() -> None:
    gone = subprocess.Popen(["sleep", "600"])
    before = seen(gone.pid)
    gone.kill()
    gone.wait()
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))
    innocent = start_with_pid(gone.pid)
    if innocent is None:
        pytest.skip("the kernel does not let us choose the next pid here")
    try:
        assert not send(before, signal.SIGKILL)
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def start_with_pid(pid: int) -> subprocess.Popen[bytes] | None:
    """A process with exactly this pid."""
    for _ in range(20):
        try:
            NS_LAST_PID.write_text(str(pid - 1))
        except OSError:
            return None
        process = subprocess.Popen(["sleep", "600"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def test_who_is_gone_is_not_found_and_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    before = seen(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert look_at(before.pid) is None
    assert not send(before, signal.SIGTERM)


def test_all_generations_are_found_parents_first() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 600 & sleep 600 & wait' & wait"]) as top:
        wait_until(lambda: len(list(descendants(top.pid))) == 3)
        first, *rest = [process.pid for process in descendants(top.pid)]
        assert {process.pid for process in descendants(first)} == set(rest)
        everybody = lambda: [*descendants(top.pid), *filter(None, [look_at(top.pid)])]  # noqa: E731
        assert kill_all(everybody, is_over=lambda: top.poll() is not None, patience_s=5) == 0
        wait_until(lambda: all(process is None or process.is_zombie for process in map(look_at, rest)))


def test_who_cannot_be_killed_is_counted() -> None:
    assert kill_all(lambda: [Process(2**22 + 1, 1, 1, 0.0, False)], is_over=lambda: False, patience_s=0.01) == 1


def test_memory_is_known_with_and_without_shared_pages() -> None:
    me = [os.getpid()]
    assert 1_000_000 < memory_of(me, exact=True) <= memory_of(me, exact=False) + 50_000_000
    assert memory_of([2**22 + 1], exact=True) == memory_of([2**22 + 1], exact=False) == 0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
