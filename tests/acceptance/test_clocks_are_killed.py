"""Three clocks tick on a clock that runs fifty times too fast, and are killed at random: no due time is lost."""

from __future__ import annotations

import random
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from apps.registry.models import App
from apps.runtime.models import Runtime
from apps.runtime.scheduling import request_due_runs
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

MIDNIGHT, MINUTE = datetime(2026, 3, 29, tzinfo=UTC), timedelta(minutes=1)
SPEED, SECONDS, CLOCKS, APPS = 50, 12.0, 3, 20

CLOCK = """
import time
from datetime import datetime, timedelta
from django.db import DatabaseError
from apps.runtime.scheduling import request_due_runs

while True:
    now = datetime.fromisoformat({midnight!r}) + timedelta(seconds=(time.time() - {begun}) * {speed})
    try:
        request_due_runs(now=now)
    except DatabaseError as error:
        print(error)
    time.sleep(0.02)
"""


def test_each_minute_has_one_run_of_each_app_while_clocks_are_killed(manage: Manage) -> None:
    apps = [
        make_app(
            f"a.b.app{number}",
            is_enabled=True,
            schedule=App.Schedule.CRON,
            cron="* * * * *",
            time_zone="Europe/Berlin",
            missed=App.Missed.ALL,
            overlap=App.Overlap.QUEUE,
            max_parallel=100,
            next_due_at=MIDNIGHT,
            next_run_at=MIDNIGHT,
        )
        for number in range(APPS)
    ]
    begun = time.time()
    code = CLOCK.format(midnight=MIDNIGHT.isoformat(), begun=begun, speed=SPEED)

    def clock() -> subprocess.Popen[str]:
        return manage("shell", "-c", code)

    clocks = [clock() for _ in range(CLOCKS)]
    wait_for(Runtime.objects.exists, seconds=60)
    dice, kills, deadline = random.Random(4), 0, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(dice.random())
        victim = dice.randrange(CLOCKS)
        clocks[victim].kill()
        clocks[victim].wait()
        clocks[victim] = clock()
        kills += 1
    for process in clocks:
        process.kill()
        process.wait()
    end = MIDNIGHT + (time.time() - begun) * SPEED * timedelta(seconds=1)
    request_due_runs(now=end)

    assert kills > 5
    expected = [MIDNIGHT + number * MINUTE for number in range((end - MIDNIGHT) // MINUTE + 1)]
    for app in apps:
        due = Runtime.objects.filter(app=app).order_by("due_at").values_list("due_at", flat=True)
        assert list(due) == expected
