"""A machine that can start no process takes no more runs for a while."""

from __future__ import annotations

import pytest

from apps.runtime import charges
from apps.runtime.charges import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, StartPause


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(charges, "time", clock)
    return clock


def length_of(pause: StartPause, clock: Clock) -> float:
    begun = clock.now
    while not pause.is_over:
        clock.now += 0.5
    return clock.now - begun


def test_each_failure_makes_it_longer_up_to_a_minute(clock: Clock) -> None:
    pause, lengths = StartPause(), []
    for _ in range(8):
        pause.begin()
        lengths.append(length_of(pause, clock))
    assert lengths == [SHORTEST_PAUSE_S, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_failures_at_the_same_time_are_one(clock: Clock) -> None:
    pause = StartPause()
    for _ in range(5):
        pause.begin()
    assert length_of(pause, clock) == SHORTEST_PAUSE_S


def test_a_start_that_works_ends_it(clock: Clock) -> None:
    pause = StartPause()
    pause.begin()
    length_of(pause, clock)
    pause.begin()
    pause.end()
    assert length_of(pause, clock) == 0
    pause.begin()
    assert length_of(pause, clock) == SHORTEST_PAUSE_S
