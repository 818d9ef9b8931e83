"""A platform on which every page has something to show, and the addresses of all its pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from apps.accounts.models import Lockout, User
from apps.accounts.services import ensure_administrator, issue_login_link
from apps.captcha.budget import installation, today
from apps.captcha.models import Solve, SolverAccount
from apps.core.clock import utc_now
from apps.credentials.models import Credential
from apps.databases.models import Connection
from apps.logs.groups import apply_groups
from apps.logs.models import Log
from apps.logs.storage import Origin, line_from_frame
from apps.notifications.models import Channel
from apps.notifications.services import Kind, notify
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from collectors.toolkit.journal import Frame
from tests.integration.apps.quality.runs import merge, rule
from tests.integration.factories import book, books, make_app, make_node, make_run
from tests.integration.function_frames import frame, store
from tests.integration.people import grant, make_client, make_person, signed_in

LONG = "x" * 200
#: Addresses of nothing: pages, too.
ABSENT = ("/admin/no/such/page/", "/no/such/page/")


def furnish() -> None:
    """Rows of every kind, with words without an end among them."""
    now = utc_now()
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60, next_run_at=now, tags=["prices", "daily"])
    _collect()
    failed = make_run(app, State.FAILED, cause=f"https://a.very.long.example/{LONG}", started_at=now)
    live = make_run(app, State.RUNNING, task_size=3, solved=1, started_at=now, args={"key": "value" * 50})
    Log.objects.create(runtime=live, app=app, line_number=1, logged_at=now, message="word" * 100)
    Log.objects.create(runtime=live, app=app, line_number=2, logged_at=now, message="page.failed", level=40)
    issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN, runtime=live)
    blocked = {"fatal": "BLOCKED", "fatal_reason": f"The table is missing: {LONG}", "fatal_at": now}
    make_app("a.b.blocked", schedule="CRON", cron="30 2 * * *", time_zone="Europe/Berlin", **blocked)
    node = make_node(broker_error=f"amqp://broker.example.com refused the connection {LONG}")
    make_run(make_app("a.b.owned"), State.STOPPING, owner=node, stop_stage="grace", started_at=now)
    store(failed, frame("collect", 12.0, 40.0, at=now), frame("parse", 3.0, parent="collect", at=now))
    said = {"event": "page.failed", "level": 40, "fp": "a" * 32, "exc": "Trace\nValueError: 'x' is no price\n"}
    apply_groups([line_from_frame(Frame(1, "log", now.timestamp(), said, 0), Origin(failed.pk, app.pk, "j" * 32), 1)])
    _operate(app)


def _collect() -> None:
    """Three merges: one that is whole, one with a row put aside, one that was stopped."""
    merge(*books(range(4)))
    rule("range", "quarantine", field="stock", maximum=100)
    merge(*books(range(1, 4)), book(0, price="12.00"), book(5, stock=500, title="A title without an end " * 8))
    merge(book(0))


def _operate(app: App) -> None:
    """What people set up and do."""
    now = utc_now()
    Channel.objects.create(name="Operators", service="EMAIL", last_error=LONG, last_failed_at=now)
    notify(kind=Kind.FAILED, subject="a.b.c failed", body="No such host.", now=now)
    Credential.objects.create(app=app, name="token", value="hidden", description=LONG[:100])
    Connection.objects.create(alias="books", engine="sqlite", name="/var/lib/books.sqlite3", tested_at=now)
    SolverAccount.objects.create(name="A solver", key="hidden-key", said=LONG, balance=1, balance_at=now, low_since=now)
    installation()
    bought = {
        "state": "READY",
        "kind": "image",
        "site": "shop.example",
        "page_url": f"https://shop.example/{LONG}"[:500],
    }
    money = {"price": 1, "cost": 1, "day": today(now), "planned_at": now, "ended_at": now}
    Solve.objects.create(app=app, app_code=app.code, is_correct=True, said=LONG[:500], **bought, **money)
    make_client()
    grant(make_person("viewer"), "operator", app)
    Lockout.objects.create(key="k", name="somebody", address="127.0.0.1", last_at=now, locked_until=now)
    issue_login_link(user=ensure_administrator(), now=now - timedelta(hours=1))
    browser = signed_in()
    chosen = {"action": "start_apps", "_selected_action": list(App.objects.values_list("pk", flat=True))}
    browser.post("/admin/registry/app/", chosen)


def pages(person: User) -> Iterator[str]:
    """The list of each model, its form to add one, and the page of one of them; then all other pages."""
    request: Any = RequestFactory().get("/")
    request.user = person
    for model, its_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if not its_admin.has_view_permission(request):
            continue
        yield reverse(f"{name}_changelist")
        if its_admin.has_add_permission(request):
            yield reverse(f"{name}_add")
        one = its_admin.get_queryset(request).order_by("pk").first()
        if one is not None:
            yield reverse(f"{name}_change", args=[one.pk])
    yield from _others(person)


def _others(person: User) -> Iterator[str]:
    app, run = App.objects.get(code="examples.shop.books"), Runtime.objects.get(task_size=3)
    yield from ("/admin/", "/admin/tables/", "/admin/system/", "/admin/timeline/")
    yield from ("/admin/registry/", "/admin/password_change/", "/account/second-factor/", ABSENT[0])
    yield f"/admin/registry/app/{app.pk}/change/"
    yield f"/admin/registry/app/{app.pk}/start/"
    yield f"/admin/registry/app/{app.pk}/history/"
    yield f"/admin/registry/app/{app.pk}/delete/"
    for shown in Runtime.objects.order_by("pk"):
        yield f"/admin/runtime/runtime/{shown.pk}/change/"
    yield f"/admin/runtime/runtime/{run.pk}/log/"
    yield f"/admin/runtime/runtime/{run.pk}/compare/"
    yield f"/admin/runtime/functionlog/tree/{Runtime.objects.filter(cause__contains=LONG).latest('pk').pk}/"
    yield f"/admin/accounts/user/{person.pk}/password/"
