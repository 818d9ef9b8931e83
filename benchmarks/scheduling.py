"""The scheduling tick on PostgreSQL: many apps registered, many of them due in the same second.

Needs a PostgreSQL: the one that the tests find or start (docs/testing.md). The peer is the scheduler of
django-celery-beat with one PeriodicTask for each app, as people use it: how long one of its ticks takes when nothing
is due, and how long it takes to notice that one task was changed.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=scheduling"
APPS = 10_000 if os.environ.get("QUICK") else 100_000
PEER_TASKS = 1_000 if os.environ.get("QUICK") else 10_000
DUE, ROUNDS, IDLE_ROUNDS = 1_000, 5, 200
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def register(first: int, count: int) -> None:
    """Apps on the register, enabled, with cron and interval schedules, due some time after noon."""
    from apps.registry.models import App, AppGroup, AppParent
    from collectors.identity import app_info

    group, _ = AppGroup.objects.get_or_create(name="bench")
    parent, _ = AppParent.objects.get_or_create(group=group, name="many")
    zones = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "UTC")
    apps = []
    for number in range(first, first + count):
        info = app_info("bench", "many", f"app{number}")
        due = NOON + timedelta(hours=1, seconds=number % 86_400)
        # No two cron expressions are alike for many apps: each next due time has to be computed.
        cron = f"{number % 60} {number // 60 % 24} * * {number // 1440 % 7}"
        schedule = {"schedule": "CRON", "cron": cron, "time_zone": zones[number % len(zones)]}
        values = schedule if number % 2 else {"schedule": "INTERVAL", "interval_s": 3_600}
        apps.append(
            App(
                parent=parent,
                name=info.app,
                code=info.code,
                identity=info.identity,
                is_enabled=True,
                next_due_at=due,
                next_run_at=due,
                **values,
            )
        )
    App.objects.bulk_create(apps, batch_size=5_000)


def analyze() -> None:
    """What autovacuum does by itself where it is on."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE registry_app")
        cursor.execute("VACUUM ANALYZE runtime_runtime")


def idle_ms() -> float:
    """A tick that finds nothing."""
    from apps.runtime.scheduling import request_due_runs

    took = []
    for _ in range(IDLE_ROUNDS):
        begun = time.perf_counter()
        assert request_due_runs(now=NOON) == []
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def burst_s(due: int = DUE) -> float:
    """A tick that finds `due` apps in the same second, each with its next due time to be computed."""
    from apps.registry.models import App
    from apps.runtime.models import Runtime
    from apps.runtime.scheduling import request_due_runs

    took = []
    for number in range(ROUNDS):
        now = NOON + timedelta(seconds=number + 1)
        # What earlier rounds left due in the next minutes is put off: this round is about `due` apps and no more.
        App.objects.filter(next_run_at__lte=now).update(next_run_at=NOON + timedelta(hours=1))
        chosen = list(App.objects.order_by("?").values_list("pk", flat=True)[:due])
        App.objects.filter(pk__in=chosen).update(next_due_at=now, next_run_at=now)
        begun = time.perf_counter()
        runs = request_due_runs(now=now)
        took.append(time.perf_counter() - begun)
        assert len(runs) == due, len(runs)
        Runtime.objects.all().delete()
    return statistics.median(took)


def change_s() -> float:
    """From the commit of a changed schedule to the run that follows from it, the wait for the tick left out."""
    from apps.registry.models import App
    from apps.runtime.models import Runtime
    from apps.runtime.scheduling import request_due_runs

    took = []
    for number in range(ROUNDS * 4):
        now = NOON + timedelta(minutes=1, seconds=number)
        App.objects.filter(next_run_at__lte=now).update(next_run_at=NOON + timedelta(hours=1))
        one = App.objects.order_by("?").values_list("pk", flat=True)[:1]
        App.objects.filter(pk=one.get()).update(next_due_at=now, next_run_at=now)
        begun = time.perf_counter()
        assert len(request_due_runs(now=now)) == 1
        took.append(time.perf_counter() - begun)
        Runtime.objects.all().delete()
    return statistics.median(took)


def memory_kb() -> float:
    """What a tick with `DUE` due apps takes at its highest."""
    tracemalloc.start()
    burst_s()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1024


def peer() -> dict[str, float]:
    """django-celery-beat with one PeriodicTask for each app: an idle tick, and a tick after one task was changed."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
    from django_celery_beat.schedulers import DatabaseScheduler

    from config.celery import app

    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(
                name=f"bench {number}", task="runtime.tick", interval=every, last_run_at=datetime.now(UTC), args="[]"
            )
            for number in range(PEER_TASKS)
        ]
    )
    # It sends nothing here: only its own work is measured.
    app.conf.update(broker_url="memory://", beat_schedule={})
    scheduler = DatabaseScheduler(app=app)
    scheduler.apply_async = lambda *_args, **_kwargs: None
    scheduler.tick()
    idle = []
    for _ in range(20):
        begun = time.perf_counter()
        scheduler.tick()
        idle.append((time.perf_counter() - begun) * 1000)
    PeriodicTasks.update_changed()
    begun = time.perf_counter()
    scheduler.tick()
    changed = time.perf_counter() - begun
    return {"idle_ms": statistics.median(idle), "changed_s": changed}


def figures() -> list[Figure]:
    """Everything, on a database of its own."""
    with platform_on_postgres():
        register(0, APPS // 10)
        analyze()
        burst_s()
        few = memory_kb()
        register(APPS // 10, APPS - APPS // 10)
        analyze()
        idle, burst, change = idle_ms(), burst_s(), change_s()
        many = memory_kb()
        print(f"     highest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        beat = peer()
    name = f"django-celery-beat, {PEER_TASKS:,} tasks"
    return [
        Figure(
            measure=f"{DUE:,} of {APPS:,} apps due in the same second, all queued",
            ours=burst,
            unit="s",
            target="<= 1 s",
            ok=burst <= 1,
            n=ROUNDS,
            command=COMMAND,
        ),
        Figure(
            measure=f"idle tick with {APPS:,} apps",
            ours=idle,
            unit="ms",
            target="<= 5 ms",
            ok=idle <= 5,
            n=IDLE_ROUNDS,
            command=COMMAND,
            peers={name: beat["idle_ms"]},
        ),
        Figure(
            measure="a changed schedule, from commit to queued run, beside the second between two ticks",
            ours=change,
            unit="s",
            target="<= 1 s",
            ok=change <= 1,
            n=ROUNDS * 4,
            command=COMMAND,
            peers={name: beat["changed_s"]},
        ),
        Figure(
            measure=f"memory of a tick with {APPS:,} apps beside {APPS // 10:,}",
            ours=many,
            unit="KB",
            target="<= 1.2 times",
            ok=many <= 1.2 * few,
            n=ROUNDS,
            command=COMMAND,
            limit=few,
            ratio=many / few,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(not publish("scheduling", figures()))
