"""Invariant: a signal reaches the process that was meant or nobody, however pids are given to others meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.runtime.supervision import tree
from apps.runtime.supervision.tree import Process, send

PID = 4711


class Kernel:
    """One pid, which dies and is given to the next process at the moments of a schedule."""

    def __init__(self, schedule: list[int]) -> None:
        self.started: int | None = 1
        """When the process that has the pid now was started; None while nobody has it."""
        self.next_start = 2
        self.schedule = schedule
        self.files: dict[int, int] = {}
        self.hit: list[int] = []

    def happens(self) -> None:
        """What goes on between two calls: 0 nothing, 1 the process dies, 2 its pid is given to another one."""
        event = self.schedule.pop(0) if self.schedule else 0
        if event >= 1:
            self.started = None
        if event == 2:
            self.started, self.next_start = self.next_start, self.next_start + 1

    def pidfd_open(self, pid: int) -> int:
        self.happens()
        assert pid == PID
        if self.started is None:
            raise ProcessLookupError
        self.files[len(self.files) + 3] = self.started
        return len(self.files) + 2

    def look_at(self, pid: int) -> Process | None:
        self.happens()
        return None if self.started is None else Process(pid, self.started, 1, 0.0, is_zombie=False)

    def pidfd_send_signal(self, fd: int, _signum: int) -> None:
        self.happens()
        if self.files[fd] != self.started:
            raise ProcessLookupError
        self.hit.append(self.files[fd])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int], int], tuple[Kernel, bool]]:
    def with_schedule(schedule: list[int], meant: int) -> tuple[Kernel, bool]:
        kernel = Kernel(schedule)
        calls = SimpleNamespace(pidfd_open=kernel.pidfd_open, close=lambda fd: kernel.files.pop(fd, None))
        monkeypatch.setattr(tree, "os", calls)
        monkeypatch.setattr(tree, "signal", SimpleNamespace(pidfd_send_signal=kernel.pidfd_send_signal))
        monkeypatch.setattr(tree, "look_at", kernel.look_at)
        return kernel, send(Process(PID, meant, 1, 0.0, is_zombie=False), signal.SIGKILL)

    return with_schedule


@given(schedule=st.lists(st.integers(0, 2), max_size=3), meant=st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_a_signal_reaches_who_is_meant_or_nobody(run: Any, schedule: list[int], meant: int) -> None:
    is_quiet = not any(schedule)
    kernel, is_sent = run(list(schedule), meant)
    assert kernel.hit == ([meant] if is_sent else [])
    if is_quiet:
        assert is_sent is (meant == 1)
