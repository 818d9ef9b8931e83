"""beat, a broker and a worker turn a due time into a queued run."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import vital_signs
from apps.runtime.models import Runtime
from tests.acceptance.conftest import Manage, heeds, wait_for
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.mark.parametrize("clocks", [1, 3])
def test_each_due_time_becomes_one_run_however_many_clocks_tick(
    manage: Manage, valkey_socket: Path, clocks: int
) -> None:
    now = utc_now()
    app = make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=3600, next_run_at=now)
    worker, beats = manage("worker"), [manage("beat") for _ in range(clocks)]
    run = wait_for(Runtime.objects.first, seconds=60)
    assert (run.app, run.trigger, run.due_at) == (app, "SCHEDULE", now)
    wait_for(lambda: all(heeds(beat, signal.SIGTERM) for beat in beats))
    first = wait_for(lambda: vital_signs.last_seen("clock"))
    wait_for(lambda: vital_signs.last_seen("clock") > first + timedelta(seconds=2))
    assert Runtime.objects.count() == 1
    for process in (*beats, worker):
        process.send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=30)[0] for process in (*beats, worker)]
    assert [process.returncode for process in (*beats, worker)] == [0] * (clocks + 1), outputs
