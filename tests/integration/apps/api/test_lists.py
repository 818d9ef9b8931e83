"""Lists of the API cost the same however long they are, and hold only what was granted."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import AuditEntry, Lockout
from apps.captcha.models import Budget, Solve, SolverAccount
from apps.core.clock import utc_now
from apps.credentials.models import Credential
from apps.databases.models import AppDbObject, Connection
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.notifications.models import Channel, Delivery, Kind
from apps.politeness.models import Site
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, ProxyTarget
from apps.quality.models import Dataset, Outcome, QuarantinedRow, Rule
from apps.registry.models import App
from apps.runtime.models import Command, State
from apps.runtime.queue_models import ItemQueue
from config.api import api
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_client, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

#: Read from elsewhere than a table, or as long as the installation has managers, clocks, retention or files.
OTHER = {"/logs", "/functions", "/tables", "/metrics", "/nodes", "/periodic-tasks", "/retention", "/roles"}


def lists() -> list[str]:
    """Addresses of the lists that stand alone, from the description of the API."""
    schema = api.get_openapi_schema()
    found = []
    for path, methods in schema["paths"].items():
        names = [parameter["name"] for parameter in methods.get("get", {}).get("parameters", [])]
        if "cursor" in names and "{" not in path:
            found.append(str(path).removeprefix("/api/v1"))
    return [path for path in found if path not in OTHER]


def seed(name: str) -> App:
    """One of everything that is listed, about an app of its own."""
    app, now = make_app(f"{name}.shop.books"), utc_now()
    run = make_run(app, State.SUCCEEDED)
    person, (client, _) = make_person(name=name), make_client(name)
    grant(person, "viewer", app)
    grant(client, "viewer", app, whole="group")
    Command.objects.create(app=app, verb="STOP", source="API", issuer=person, created_at=now, sequence=1)
    group = ErrorGroup.objects.create(
        fingerprint=run.pk, title=name, level=40, count=1, first_seen_at=now, last_seen_at=now, assignee=person
    )
    ErrorGroupApp.objects.create(group=group, app=app, count=1, last_seen_at=now)
    AppDbObject.objects.create(app=app, connection="default", name="t", kind="table", select_at=now, last_run=run.pk)
    Credential.objects.create(app=app, name="key", value="x", changed_at=now)
    SolverAccount.objects.create(name=name, key=name)
    Budget.objects.create(app=app, per_day=1)
    money = {"price": 0, "cost": 0, "day": now.date(), "planned_at": now}
    Solve.objects.create(app=app, app_code=app.code, kind="image", **money)
    times = {"begun_at": now, "touched_at": now, "expires_at": now}
    ItemQueue.objects.create(app=app, worked_by=run.pk, is_listed=True, size=3, **times)
    Site.objects.create(name=f"{name}.example")
    provider = Provider.objects.create(name=name, kind="LIST")
    way = {"provider": provider, "domain": f"{name}.example"}
    ProxyExit.objects.create(provider=provider, session=name, label=name)
    ProxyTarget.objects.create(**way, first_used_at=now, last_used_at=now)
    moments = dict.fromkeys(("reserved_at", "renewed_at", "held_until", "free_at"), now)
    ProxyReservation.objects.create(**way, ip=name, token=name, fence=1, ttl_s=1, cooldown_s=1, **moments)
    moments = dict.fromkeys(("first_failed_at", "last_failed_at", "escalated_at", "until", "decays_at"), now)
    ProxyBan.objects.create(ip=name, domain=f"{name}.example", level=1, **moments)
    dataset = Dataset.objects.create(label=f"{name}.t", app=app, outcome=Outcome.PASS, runtime=run.pk, judged_at=now)
    QuarantinedRow.objects.create(
        dataset=dataset, runtime=run.pk, merge=1, row=1, rule="r", reason="x", payload="{}", quarantined_at=now
    )
    Rule.objects.create(label=f"{name}.t", kind="row_count", parameters={"minimum": 1}, severity="warn")
    channel = Channel.objects.create(name=name, service="APPRISE")
    Delivery.objects.create(channel=channel, kind=Kind.FAILED, subject="x", created_at=now)
    Connection.objects.create(alias=name, engine="sqlite", name="/nowhere")
    Lockout.objects.create(key=name, name=name, failures=1, last_at=now)
    AuditEntry.objects.create(at=now, source="API", action="x.done", subject=name)
    return app


def test_every_list_takes_as_many_queries_for_many_rows_as_for_one() -> None:
    browser, costs = signed_in(), []
    for names in (["one"], ["two", "three", "four"]):
        for name in names:
            seed(name)
        cost = {}
        for path in lists():
            browser.get(f"/api/v1{path}")
            with CaptureQueriesContext(connection) as queries:
                items = browser.get(f"/api/v1{path}").json()["items"]
            assert len(items) >= len(names), path
            cost[path] = len(queries)
        costs.append(cost)
    assert len(costs[0]) >= 18
    assert costs[0] == costs[1]
    assert max(costs[0].values()) <= 6


def test_a_grant_for_a_part_narrows_every_list() -> None:
    own, _ = seed("own"), seed("foreign")
    grant(person := make_person(name="granted"), "operator", own, whole="group")
    browser, seen = Client(), {}
    browser.force_login(person)
    for path in lists():
        answer = browser.get(f"/api/v1{path}")
        assert answer.status_code in (200, 403), path
        assert "foreign" not in answer.content.decode(), path
        if answer.status_code == 200:
            seen[path] = len(answer.json()["items"])
    of_apps = (
        "apps",
        "groups",
        "parents",
        "runtimes",
        "commands",
        "errors",
        "objects",
        "credentials",
        "captcha/solves",
        "item-queues",
    )
    assert seen == {f"/{name}": 1 for name in of_apps}
