"""The REST API: what a list of 100 takes, with 10,000 apps and 100,000 runs, beside its query and its bare JSON.

The time is that of the whole application in this process: middleware, token, throttle, query, answer. The limit is the
same rows read by the same query as plain values and written as JSON, with nothing around it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=api"
IS_QUICK = bool(os.environ.get("QUICK"))
APPS, RUNS, ROUNDS = (500, 5_000, 10) if IS_QUICK else (10_000, 100_000, 40)
MOST_MS = 50.0
#: Where each list is, and the table it shows where that has many rows.
LISTS = {
    "apps": "registry.App",
    "groups": "",
    "parents": "registry.AppParent",
    "runtimes": "runtime.Runtime",
    "commands": "runtime.Command",
    "functions": "runtime.AppFunction",
    "errors": "logs.ErrorGroup",
    "logs": "logs.Log",
    "objects": "databases.AppDbObject",
    "datasets": "quality.Dataset",
    "rules": "quality.Rule",
    "quarantine": "quality.QuarantinedRow",
    "deliveries": "notifications.Delivery",
    "audit": "accounts.AuditEntry",
    "people": "accounts.User",
    "grants": "accounts.RoleGrant",
}
EACH = 300


def seed() -> None:
    """Apps with runs and commands, and some hundred rows of everything else."""
    from django.db import connection

    from apps.accounts.models import AuditEntry, RoleGrant, User
    from apps.core.clock import utc_now
    from apps.databases.models import AppDbObject
    from apps.logs.group_models import ErrorGroup, ErrorGroupApp
    from apps.logs.models import Log
    from apps.notifications.models import Channel, Delivery
    from apps.quality.models import Dataset, QuarantinedRow, Rule
    from apps.registry.models import App, AppGroup, AppParent
    from apps.runtime.function_models import AppFunction
    from apps.runtime.models import Command, Runtime
    from collectors.identity import parse_code

    now = utc_now()
    group = AppGroup.objects.create(name="bench")
    parents = AppParent.objects.bulk_create([AppParent(group=group, name=f"p{n}") for n in range(APPS // 20)])
    infos = [parse_code(f"bench.p{n % len(parents)}.a{n}") for n in range(APPS)]
    people = User.objects.bulk_create([User(username=f"person{n}") for n in range(EACH)])
    apps = App.objects.bulk_create(
        [
            App(parent=parents[n % len(parents)], name=f"a{n}", code=info.code, identity=info.identity, is_enabled=True)
            for n, info in enumerate(infos)
        ],
        batch_size=2_000,
    )
    runs = Runtime.objects.bulk_create(
        [
            Runtime(
                app=apps[n % APPS], state="SUCCEEDED", trigger="SCHEDULE", ended_at=now, started_at=now,
                queued_at=now - timedelta(seconds=RUNS - n), cause="Done.",
            )
            for n in range(RUNS)
        ],
        batch_size=5_000,
    )  # fmt: skip
    Command.objects.bulk_create(
        [
            Command(
                app=app, verb="START", state="EXECUTED", source="API", issuer=people[0], created_at=now, finished_at=now
            )
            for app in apps
        ],
        batch_size=5_000,
    )
    some, channel = apps[:EACH], Channel.objects.create(name="c", service="APPRISE")
    ErrorGroup.objects.bulk_create(
        [
            ErrorGroup(fingerprint=f"{n:032x}", title="x", level=40, count=1, first_seen_at=now, last_seen_at=now)
            for n in range(EACH)
        ]
    )
    ErrorGroupApp.objects.bulk_create(
        [ErrorGroupApp(group_id=f"{n:032x}", app=app, count=1, last_seen_at=now) for n, app in enumerate(some)]
    )
    Log.objects.bulk_create(
        [
            Log(
                app=app,
                runtime=run,
                line_number=1,
                logged_at=now,
                level=20,
                message="page.fetched",
                journal=run.pk,
                seq=1,
            )
            for app, run in zip(some, runs[:EACH], strict=True)
        ]
    )
    AppDbObject.objects.bulk_create(
        [
            AppDbObject(app=app, connection="default", name="t", kind="table", select_at=now, last_run="0" * 32)
            for app in some
        ]
    )
    AppFunction.objects.bulk_create(
        [
            AppFunction(
                app=app, module="m", qualified_name="f", first_seen_at=now, last_seen_at=now, identity=f"{app.pk:064x}"
            )
            for app in some
        ]
    )
    datasets = Dataset.objects.bulk_create(
        [
            Dataset(label=f"bench.t{n}", app=app, outcome="pass", runtime="0" * 32, judged_at=now)
            for n, app in enumerate(some)
        ]
    )
    Rule.objects.bulk_create([Rule(label=each.label, kind="row_count", severity="warn") for each in datasets])
    QuarantinedRow.objects.bulk_create(
        [
            QuarantinedRow(
                dataset=each, runtime="0" * 32, merge=1, row=1, rule="r", reason="x", payload="{}", quarantined_at=now
            )
            for each in datasets
        ]
    )
    Delivery.objects.bulk_create(
        [Delivery(channel=channel, kind="FAILED", subject="x", created_at=now) for _ in range(EACH)]
    )
    AuditEntry.objects.bulk_create(
        [AuditEntry(at=now, source="API", action="x.done", subject="x") for _ in range(EACH)]
    )
    grants = [RoleGrant(user=person, role="viewer", app=app) for person, app in zip(people, some, strict=True)]
    for grant in grants:
        grant.key = grant._key()
    RoleGrant.objects.bulk_create(grants)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def reader() -> Any:
    """Somebody who may see everything, in a browser that has its token."""
    from django.test import Client

    from apps.accounts.roles import seed_roles
    from tests.integration.people import make_client, token_of

    seed_roles()
    client, secret = make_client("bench", scopes=["read", "admin", "write"], role="admin")
    return Client(headers={"authorization": f"Bearer {token_of(client, secret, 'read admin write')}"})


def median_ms(step: Callable[[], object]) -> float:
    """Of several rounds; the first, which reads what every process reads once, is left out."""
    took = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        step()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took[1:])


def plain(label: str) -> Callable[[], object]:
    """A hundred rows of the table as values, as JSON."""
    from django.apps import apps

    model = apps.get_model(label)
    return lambda: json.dumps(list(model._default_manager.order_by("-pk").values()[:100]), default=str)


def figures() -> list[Figure]:
    """Each list in turn."""
    from django.test.utils import setup_test_environment

    setup_test_environment()
    seed()
    browser, found = reader(), []
    for name, label in LISTS.items():
        path = f"/api/v1/{name}?limit=100"
        answer = browser.get(path)
        assert answer.status_code == 200, answer.content
        shown = len(answer.json()["items"])
        ours = median_ms(lambda path=path: browser.get(path))  # type: ignore[misc]
        limit = median_ms(plain(label)) if label else None
        found.append(
            Figure(
                measure=f"{name}: a list of {shown}",
                ours=ours,
                unit="ms",
                target=f"<= {MOST_MS:.0f} ms p50",
                ok=ours <= MOST_MS,
                n=ROUNDS,
                command=COMMAND,
                limit=limit,
                ratio=ours / limit if limit else None,
            )
        )
    return found


def main() -> int:
    """Measure, print, write down."""
    os.environ.setdefault("DC_API_READS_PER_MINUTE", "0")
    with platform_on_postgres():
        return 0 if publish("api", figures()) else 1


if __name__ == "__main__":
    sys.exit(main())
