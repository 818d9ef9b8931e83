"""Three clocks tick on a clock that runs fifty times too fast, and are killed at random: no due time is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from apps.registry.models import App
from apps.runtime.models import Runtime
from apps.runtime.scheduling import request_due_runs
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

MIDNIGHT, MINUTE = datetime(2026, 3, 29, tzinfo=UTC), timedelta(minutes=1)
SPEED, KILLS, CLOCKS, APPS = 50, 24, 3, 20

#: One process that begins with Django, and clocks that are forked off it: each ticks at once, and so is killed at work.
CLOCKS_AND_MORE = """
import os
import time
from datetime import datetime, timedelta
from django.db import DatabaseError, connections
from apps.runtime.scheduling import request_due_runs

def tick_for_ever():
    while True:
        now = datetime.fromisoformat({midnight!r}) + timedelta(seconds=(time.time() - {begun}) * {speed})
        try:
            request_due_runs(now=now)
        except DatabaseError as error:
            print(error)
        time.sleep(0.02)

connections.close_all()
clocks = set()
while True:
    while len(clocks) < {clocks}:
        clock = os.fork()
        if clock == 0:
            tick_for_ever()
        clocks.add(clock)
    clocks.discard(os.wait()[0])
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
    code = CLOCKS_AND_MORE.format(midnight=MIDNIGHT.isoformat(), begun=begun, speed=SPEED, clocks=CLOCKS)
    parent = psutil.Process(manage("shell", "-c", code).pid)
    wait_for(Runtime.objects.exists, seconds=60)
    dice = random.Random(4)
    for _ in range(KILLS):
        time.sleep(dice.random() / 2)
        clocks = wait_for(lambda: len(found := parent.children()) == CLOCKS and found)
        dice.choice(clocks).kill()
    os.killpg(parent.pid, signal.SIGKILL)
    end = MIDNIGHT + (time.time() - begun) * SPEED * timedelta(seconds=1)
    request_due_runs(now=end)

    expected = [MIDNIGHT + number * MINUTE for number in range((end - MIDNIGHT) // MINUTE + 1)]
    for app in apps:
        due = Runtime.objects.filter(app=app).order_by("due_at").values_list("due_at", flat=True)
        assert list(due) == expected
