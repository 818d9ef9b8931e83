"""Whatever changes something leaves an entry in the audit: every write of the API, every action of the admin.

The tables say how each is done once. What is not in them fails, as does what leaves no trace of who did it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.models import AuditEntry, Lockout, User
from apps.accounts.models import Client as ApiClient
from apps.captcha.models import Budget, Solve, SolverAccount
from apps.core.clock import utc_now
from apps.credentials.models import Credential
from apps.databases.models import Connection
from apps.logs.group_models import ErrorGroup
from apps.notifications.models import Channel, Delivery, Kind
from apps.politeness.models import Circuit, Site
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation
from apps.quality.models import Dataset, Outcome, QuarantinedRow, Rule
from apps.registry.models import App, AppGroup, AppParent
from apps.runtime.bulk_models import BulkJob
from apps.runtime.models import Runtime, State
from apps.runtime.nodes import register_node
from apps.runtime.queue_models import ItemQueue
from config.api import api
from tests.integration.factories import BOOKS, make_app, make_run
from tests.integration.people import grant, make_client, make_person, signed_in, token_of
from tests.integration.test_every_door import ACTIONS
from tests.servers.hook import hook

pytestmark = pytest.mark.django_db(databases="__all__")

SECRET = "a-secret-that-nobody-reads-again"
PRINT = "9" * 32
LABEL = "examples_shop_books.book"
ROWS_WANTED = {"minimum": 1}


@dataclass
class House:
    """One of everything."""

    app: App
    run: Runtime
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@pytest.fixture
def house(valkey_socket: Any) -> Iterator[House]:
    del valkey_socket
    app, now = make_app(BOOKS, is_enabled=True), utc_now()
    run = make_run(app, State.SUCCEEDED)
    with hook() as server:
        channel = Channel.objects.create(
            name="hook", service="WEBHOOK", url=server.url, secret=SECRET, is_private_allowed=True
        )
        dataset = Dataset.objects.create(label=LABEL, app=app, outcome=Outcome.PASS, runtime=run.pk, judged_at=now)
        delivery = Delivery.objects.create(
            channel=channel, kind=Kind.FAILED, subject="x", state="FAILED", created_at=now
        )
        ErrorGroup.objects.create(fingerprint=PRINT, title="x", level=40, count=1, first_seen_at=now, last_seen_at=now)
        interval = IntervalSchedule.objects.create(every=60, period=IntervalSchedule.SECONDS)
        group = AppGroup.objects.create(name="empty")
        client, secret = make_client("other")
        person = make_person("viewer", name="olga")
        site = Site.objects.create(name="shop.example")
        Circuit.objects.create(site=site, host="www.shop.example", egress="direct", why="x")
        yield House(
            app,
            run,
            {
                "budget": Budget.objects.create(per_day=5, each_app=1).pk,
                "channel": channel.pk,
                "client": client.client_id,
                "client_pk": client.pk,
                "client_secret": secret,
                "connection": Connection.objects.create(
                    alias="warehouse", engine="sqlite", name="/nowhere/none.sqlite"
                ).pk,
                "credential": Credential.objects.create(app=app, name="api_key", value=SECRET, changed_at=now).pk,
                "dataset": dataset.pk,
                "delivery": delivery.pk,
                "grant": grant(person, "operator", app).pk,
                "held": QuarantinedRow.objects.create(
                    dataset=dataset,
                    runtime=run.pk,
                    merge=1,
                    row=1,
                    rule="r",
                    reason="x",
                    payload="{}",
                    quarantined_at=now,
                ).pk,
                "lockout": Lockout.objects.create(key="k", name="olga", failures=6, last_at=now).pk,
                "node": register_node(slots=1, queues=["runs"]).pk,
                "parent": AppParent.objects.create(group=group, name="bare"),
                "person": person.username,
                "queue": left_queue(app, run).pk,
                "provider": Provider.objects.create(
                    name="list", kind="LIST", secret=f"http://user:{SECRET}@one.example:3128"
                ).pk,
                "rule": Rule.objects.create(label=LABEL, kind="row_count", parameters=ROWS_WANTED, severity="warn").pk,
                "solve": Solve.objects.create(
                    app=app,
                    app_code=BOOKS,
                    state="READY",
                    kind="image",
                    task_id="7",
                    day=now.date(),
                    price=0,
                    cost=0,
                    planned_at=now,
                    ended_at=now,
                ).pk,
                "solver": SolverAccount.objects.create(name="away", url="http://127.0.0.1:1", key=SECRET).pk,
                "task": PeriodicTask.objects.create(name="x", task="runtime.tick", interval=interval).pk,
            },
        )


def left_queue(app: App, run: Runtime) -> ItemQueue:
    """What a run has left of its list."""
    now = utc_now()
    times = {"begun_at": now, "touched_at": now, "expires_at": now}
    return ItemQueue.objects.create(app=app, worked_by=run.pk, is_listed=True, size=3, **times)


def _lease(house: House) -> ProxyReservation:
    """Somebody has an address."""
    now = utc_now()
    moments = dict.fromkeys(("reserved_at", "renewed_at", "held_until", "free_at"), now)
    values = {"token": f"{now.timestamp()}", "fence": 1, "ttl_s": 60, "cooldown_s": 0, **moments}
    ip = f"198.18.0.{ProxyReservation.objects.count() + 10}"
    return ProxyReservation.objects.create(ip=ip, domain="s.example", provider_id=house["provider"], **values)


def _ban() -> ProxyBan:
    """A site does not want an address."""
    now, until = utc_now(), datetime(2099, 1, 1, tzinfo=UTC)
    moments = dict.fromkeys(("first_failed_at", "last_failed_at", "escalated_at"), now)
    ip = f"198.18.1.{ProxyBan.objects.count() + 10}"
    return ProxyBan.objects.create(ip=ip, domain="s.example", level=1, until=until, decays_at=until, **moments)


Body = dict[str, Any]
#: Operation -> address below /api/v1, and body. Those that delete come last.
WRITES: dict[str, tuple[Callable[[House], str], Body]] = {
    "startApp": (lambda _: f"apps/{BOOKS}/start", {}),
    "restartApp": (lambda _: f"apps/{BOOKS}/restart", {}),
    "stopApp": (lambda _: f"apps/{BOOKS}/stop", {}),
    "stopRun": (lambda house: f"runtimes/{make_run(house.app, State.QUEUED).pk}/stop", {}),
    "enableApp": (lambda _: f"apps/{BOOKS}/enable", {}),
    "disableApp": (lambda _: f"apps/{BOOKS}/disable", {}),
    "commandApps": (lambda _: "apps/commands", {"verb": "ENABLE", "where": {"q": ""}}),
    "changeApp": (lambda _: f"apps/{BOOKS}", {"queue": "slow"}),
    "createApp": (lambda _: "apps", {"code": "examples.debian.python_docs"}),
    "createGroup": (lambda _: "groups", {"name": "new"}),
    "changeGroup": (lambda _: "groups/empty", {"title": "Empty"}),
    "createParent": (lambda _: "parents", {"group": "new", "name": "one"}),
    "changeParent": (lambda _: "parents/empty.bare", {"title": "Bare"}),
    "resolveError": (lambda _: f"errors/{PRINT}/resolve", {"note": "done"}),
    "snoozeError": (lambda _: f"errors/{PRINT}/snooze", {"until": "2099-01-01T00:00:00Z"}),
    "reopenError": (lambda _: f"errors/{PRINT}/reopen", {}),
    "changeError": (lambda _: f"errors/{PRINT}", {"assignee": "olga", "note": "mine"}),
    "letThrough": (lambda _: f"datasets/{LABEL}/let-through", {}),
    "createRule": (
        lambda _: "rules",
        {"dataset": LABEL, "kind": "row_count", "parameters": ROWS_WANTED, "severity": "warn"},
    ),
    "changeRule": (lambda house: f"rules/{house['rule']}", {"name": "Some rows"}),
    "replayRows": (lambda house: "quarantine/replay", {"dataset": LABEL}),
    "discardRows": (lambda house: "quarantine/discard", {"dataset": LABEL}),
    "exportRows": (lambda _: "tables/examples.shop.books.book/export", {"form": "jsonl"}),
    "createChannel": (
        lambda _: "channels",
        {"name": "n", "service": "WEBHOOK", "url": "https://example.com/h", "secret": SECRET},
    ),
    "changeChannel": (lambda house: f"channels/{house['channel']}", {"kinds": ["FAILED"]}),
    "testChannel": (lambda house: f"channels/{house['channel']}/test", {}),
    "retryDelivery": (lambda house: f"deliveries/{house['delivery']}/retry", {}),
    "reportSolve": (lambda house: f"captcha/solves/{house['solve']}/report", {"is_correct": True}),
    "createCaptchaBudget": (lambda _: "captcha/budgets", {"app": BOOKS, "per_day": "0.5"}),
    "changeCaptchaBudget": (lambda house: f"captcha/budgets/{house['budget']}", {"per_day": "7"}),
    "createConnection": (
        lambda _: "connections",
        {"alias": "more", "engine": "sqlite", "name": "/nowhere/more.sqlite"},
    ),
    "changeConnection": (lambda _: "connections/warehouse", {"is_read_only": True}),
    "testConnection": (lambda _: "connections/warehouse/test", {}),
    "createProxyProvider": (
        lambda _: "proxies/providers",
        {"name": "new", "kind": "LIST", "secret": f"http://user:{SECRET}@proxy.example:3128"},
    ),
    "changeProxyProvider": (lambda house: f"proxies/providers/{house['provider']}", {"order": 3}),
    "releaseProxyLease": (lambda house: f"proxies/leases/{_lease(house).pk}/release", {}),
    "createProxyBan": (lambda _: "proxies/bans", {"ip": "198.18.0.9", "domain": "shop.example"}),
    "liftProxyBan": (lambda _: f"proxies/bans/{_ban().pk}/lift", {}),
    "changeSite": (lambda _: "sites/shop.example", {"low_s": 2, "high_s": 4}),
    "closeCircuits": (lambda _: "sites/shop.example/close-circuits", {}),
    "setCredential": (lambda _: f"apps/{BOOKS}/credentials/login", {"value": SECRET}),
    "drainNode": (lambda house: f"nodes/{house['node']}/drain", {}),
    "undrainNode": (lambda house: f"nodes/{house['node']}/undrain", {}),
    "changePeriodicTask": (lambda house: f"periodic-tasks/{house['task']}", {"is_enabled": False, "interval_s": 90}),
    "runPeriodicTask": (lambda house: f"periodic-tasks/{house['task']}/run", {}),
    "createPerson": (lambda _: "people", {"username": "ivan", "roles": ["viewer"], "password": SECRET}),
    "changePerson": (lambda _: "people/olga", {"roles": ["operator"]}),
    "endSessions": (lambda _: "people/olga/end-sessions", {}),
    "makeLoginLink": (lambda _: "people/olga/login-link", {}),
    "createGrant": (lambda _: "grants", {"user": "olga", "role": "developer", "where": "examples.shop"}),
    "createClient": (lambda _: "clients", {"name": "new", "scopes": ["read"]}),
    "changeClient": (lambda house: f"clients/{house['client']}", {"role": "viewer"}),
    "newClientSecret": (lambda house: f"clients/{house['client']}/new-secret", {}),
    "endClientTokens": (lambda house: f"clients/{house['client']}/end-tokens", {}),
    "unlockLockout": (lambda house: f"lockouts/{house['lockout']}/unlock", {}),
    "removeApp": (lambda _: f"apps/{BOOKS}", {}),
    "keepApp": (lambda _: f"apps/{BOOKS}/keep", {}),
    "deleteClient": (lambda house: f"clients/{house['client']}", {}),
    "deleteGrant": (lambda house: f"grants/{house['grant']}", {}),
    "deletePerson": (lambda _: "people/olga", {}),
    "deleteCredential": (lambda _: f"apps/{BOOKS}/credentials/login", {}),
    "deleteConnection": (lambda _: "connections/warehouse", {}),
    "deleteItemQueue": (lambda house: f"item-queues/{house['queue']}", {}),
    "deleteChannel": (lambda house: f"channels/{house['channel']}", {}),
    "deleteProxyProvider": (lambda house: f"proxies/providers/{house['provider']}", {}),
    "deleteRule": (lambda house: f"rules/{house['rule']}", {}),
    "deleteParent": (lambda _: "parents/empty.bare", {}),
    "deleteGroup": (lambda _: "groups/empty", {}),
}


#: A ticket opens a WebSocket once, for who could open it anyway: nothing is changed.
NO_WRITES = {"issueTicket"}


def methods() -> dict[str, str]:
    """Operation that changes something -> its method."""
    return {
        str(operation.operation_id): method
        for router in api._get_bound_routers()
        for view in router.path_operations.values()
        for operation in view.operations
        for method in operation.methods
        if method != "GET"
    }


def entries_after(mark: int) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(pk__gt=mark).order_by("pk"))


def newest() -> int:
    return AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def test_every_write_of_the_api_says_who_did_it_by_what_way_and_from_where(house: House) -> None:
    known, wrong = methods(), []
    assert set(WRITES) == set(known) - NO_WRITES
    robot, secret = make_client("robot", scopes=["read", "run", "write", "admin"], role="admin")
    browser = Client(headers={"authorization": f"Bearer {token_of(robot, secret, 'read run write admin')}"})
    for name, (address, body) in WRITES.items():
        path, headers = f"/api/v1/{address(house)}", {}
        if known[name] == "PATCH":
            headers["If-Match"] = browser.get(path)["ETag"]
        mark = newest()
        data = {"data": json.dumps(body), "content_type": "application/json"} if known[name] != "DELETE" else {}
        response = getattr(browser, known[name].lower())(path, headers=headers, **data)
        told = entries_after(mark)
        if response.status_code >= 300 and not (name == "stopRun" and response.status_code == 409):
            wrong.append(f"{name}: {response.status_code} {response.content.decode()[:300]}")
        elif not told or any((e.source, e.client_name, e.address) != ("API", "robot", "127.0.0.1") for e in told):
            wrong.append(f"{name}: {[(e.action, e.source, e.client_name, e.address) for e in told]}")
        elif SECRET in json.dumps([[e.before, e.after, e.details] for e in told]):
            wrong.append(f"{name}: a secret is in the audit")
    assert not wrong, "\n".join(wrong)

    def fields(action: str) -> tuple[Any, Any]:
        entry = AuditEntry.objects.filter(action=action).latest("pk")
        return entry.before, entry.after

    assert fields("app.changed") == ({"queue": "runs"}, {"queue": "slow"})
    assert fields("app.disabled") == ({"is_enabled": True}, {"is_enabled": False})
    assert fields("errorgroup.changed") == ({"assignee": None, "note": "done"}, {"assignee": "olga", "note": "mine"})
    assert fields("periodictask.changed")[1]["enabled"] is False
    assert fields("user.changed") == ({"groups": ["viewer"]}, {"groups": ["operator"]})
    assert fields("channel.added")[1]["secret"] == "******"
    assert fields("rule.changed") == ({"name": ""}, {"name": "Some rows"})


#: Action of the admin -> the row it is done to; those that have no row of their own in the house make one.
ROWS: dict[str, Callable[[House], Any]] = {
    "accounts.lockout": lambda house: house["lockout"],
    "captcha.solveraccount": lambda house: house["solver"],
    "django_celery_beat.periodictask": lambda house: house["task"],
    "logs.errorgroup": lambda _: PRINT,
    "notifications.delivery": lambda house: house["delivery"],
    "oauth2_provider.accesstoken": lambda house: _token(house).pk,
    "oauth2_provider.refreshtoken": lambda house: _refresh_token(house).pk,
    "proxies.proxyban": lambda _: _ban().pk,
    "proxies.proxyexit": lambda house: (
        ProxyExit.objects.get_or_create(provider_id=house["provider"], session="s", label="one.example")[0].pk
    ),
    "proxies.proxyreservation": lambda house: _lease(house).pk,
    "quality.quarantinedrow": lambda house: house["held"],
    "runtime.itemqueue": lambda house: house["queue"],
    "runtime.node": lambda house: house["node"],
}
#: Whatever an action on many asks before it is carried out.
OPTIONS = {"schedule": "MANUAL", "time_zone": "UTC", "grace_days": 1}


def none(_house: House) -> int:
    return 0


def app_of(code: str, **values: Any) -> Callable[[House], int]:
    """An app with which the action will do something."""
    return lambda _: make_app(f"bulk.many.{code}", **{"is_enabled": True, **values}).pk


def run_of(state: State) -> Callable[[House], str]:
    return lambda _: make_run(make_app(f"bulk.many.{state.lower()}", is_enabled=True), state).pk


CHOSEN: dict[str, Callable[[House], Any]] = {
    **{f"registry.app {name}": app_of(name) for name in ("start_apps", "restart_apps", "disable_apps", "remove_apps")},
    **{f"registry.app {name}": app_of(name) for name in ("assign_owner", "change_schedule")},
    "registry.app clear_failures": app_of("clear", failures_in_a_row=1),
    "registry.app enable_apps": app_of("enable", is_enabled=False),
    "registry.app keep_apps": app_of("keep", remove_after=datetime(2099, 1, 1, tzinfo=UTC)),
    "registry.app stop_apps": lambda _: make_run(make_app("bulk.many.stop", is_enabled=True)).app_id,
    "runtime.runtime run_again": run_of(State.SUCCEEDED),
    "runtime.runtime stop_runs": run_of(State.QUEUED),
}


def _token(house: House) -> Any:
    from oauth2_provider.models import get_access_token_model

    token_of(ApiClient.objects.get(pk=house["client_pk"]), house["client_secret"])
    return get_access_token_model().objects.latest("pk")


def _refresh_token(house: House) -> Any:
    from oauth2_provider.models import get_refresh_token_model

    person = User.objects.get(username=house["person"])
    return get_refresh_token_model().objects.create(
        user=person, application_id=house["client_pk"], token="t" * 20, access_token=_token(house)
    )


def test_every_action_of_the_admin_says_who_did_it(house: House) -> None:
    browser, wrong = signed_in("superuser"), []
    house.app.refresh_from_db()
    for name in sorted(ACTIONS):
        label, _, action = name.partition(" ")
        model = label.replace(".", "/")
        if name == "logs.errorgroup reopen":
            ErrorGroup.objects.update(state=ErrorGroup.State.RESOLVED, resolved_at=utc_now())
        row, mark = CHOSEN.get(name, ROWS.get(label, none))(house), newest()
        chosen = {"action": action, "_selected_action": [row], "select_across": "0", "index": "0"}
        query = {"state": "all"} if label in ("logs.errorgroup", "quality.quarantinedrow") else {}
        response = browser.post(f"/admin/{model}/", chosen, query_params=query)
        if label in ("registry.app", "runtime.runtime"):
            # Shown first, and done when that is confirmed.
            job = BulkJob.objects.latest("created_at").pk
            browser.post(f"/admin/runtime/bulkjob/{job}/confirm/", OPTIONS)
        told = entries_after(mark)
        if response.status_code >= 400 or not any((e.source, e.actor_name) == ("ADMIN", "superuser") for e in told):
            wrong.append(f"{name}: {response.status_code} {[(e.action, e.source, e.actor_name) for e in told]}")
        if label == "quality.quarantinedrow":
            QuarantinedRow.objects.update(state=QuarantinedRow.State.HELD)
        if label == "notifications.delivery":
            Delivery.objects.update(state=Delivery.State.FAILED)
    assert not wrong, "\n".join(wrong)


def test_a_form_of_the_admin_says_what_it_changed(house: House) -> None:
    browser = signed_in("superuser")
    browser.post(f"/admin/logs/errorgroup/{PRINT}/change/", {"assignee": "", "note": "a note"})
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.before, entry.after) == ("errorgroup.changed", {"note": ""}, {"note": "a note"})
    rule = {"label": LABEL, "kind": "row_count", "parameters": '{"minimum": 5}', "severity": "warn", "is_enabled": "on"}
    browser.post(f"/admin/quality/rule/{house['rule']}/change/", rule)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.before, entry.after) == (
        "rule.changed",
        {"parameters": ROWS_WANTED},
        {"parameters": {"minimum": 5}},
    )
