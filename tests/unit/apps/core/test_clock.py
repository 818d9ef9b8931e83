"""The clock that all machines share, between two looks at it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from apps.core import clock

SHOWN = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _machine_is_two_hours_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + timedelta(hours=2))
    monkeypatch.setattr(clock, "_last_shown", {})


def test_it_goes_on_from_what_the_database_showed_whatever_the_machine_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", lambda _: 1005.0)
    monkeypatch.setattr(clock, "_last_shown", {"database": (SHOWN, 1000.0)})
    assert clock.shared_now() == SHOWN + timedelta(seconds=5)


def test_it_is_the_clock_of_the_machine_until_the_database_was_asked() -> None:
    assert clock.shared_now() > datetime.now(UTC) + timedelta(hours=1)
