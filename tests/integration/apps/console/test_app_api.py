"""Apps for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import BOOKS, make_app, make_run
from tests.integration.people import make_person, signed_in

pytestmark = pytest.mark.django_db

APP = f"/api/v1/apps/{BOOKS}"


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return getattr(client, method)(path, body, content_type="application/json", headers=headers)


def test_an_app_says_who_it_is_when_it_runs_and_how_it_does() -> None:
    app = make_app(is_enabled=True, tags=["prices"], owner=make_person("developer"))
    run = make_run(app, State.FAILED)

    shown = signed_in("viewer").get(APP).json()

    assert (shown["code"], shown["owner"], shown["tags"]) == (BOOKS, "developer", ["prices"])
    assert shown["last_run"]["id"] == run.pk
    assert shown["last_run"]["state"] == "FAILED"
    assert signed_in("viewer").get("/api/v1/apps").json()["items"] == [shown]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"group": "examples"}, 2),
        ({"group": "other"}, 1),
        ({"parent": "examples.shop"}, 2),
        ({"parent": "examples.nothing"}, 0),
        ({"is_enabled": "true"}, 1),
        ({"tag": "daily"}, 1),
        ({"tag": "dail"}, 0),
        ({"q": "BOOK"}, 1),
        ({"kind": "MANAGED"}, 3),
        ({"fatal": "BLOCKED"}, 0),
        ({"owner": "nobody"}, 0),
    ],
)
def test_apps_are_found(query: dict[str, str], found: int) -> None:
    make_app(is_enabled=True, tags=["daily"])
    make_app("examples.shop.pens")
    make_app("other.shop.toys")

    assert len(signed_in("viewer").get("/api/v1/apps", query).json()["items"]) == found


def test_a_source_on_disk_becomes_an_app_that_is_disabled() -> None:
    client = signed_in("developer")

    made = send(client, "post", "/api/v1/apps", {"code": BOOKS})

    assert (made.status_code, made["Location"]) == (201, APP)
    assert made.json()["is_enabled"] is False
    assert send(client, "post", "/api/v1/apps", {"code": BOOKS}).status_code == 409
    assert send(client, "post", "/api/v1/apps", {"code": "no.such.source"}).status_code == 422


def test_a_change_needs_the_version_that_was_read() -> None:
    make_app()
    client = signed_in("operator")
    read = client.get(APP)["ETag"]

    assert send(client, "patch", APP, {"queue": "slow"}).status_code == 428
    changed = send(client, "patch", APP, {"queue": "slow"}, **{"If-Match": read})
    again = send(client, "patch", APP, {"queue": "fast"}, **{"If-Match": read})

    assert (changed.status_code, changed.json()["queue"]) == (200, "slow")
    assert changed["ETag"] == client.get(APP)["ETag"] != read
    assert again.status_code == 412
    assert App.objects.get().queue == "slow"


def test_what_the_platform_writes_into_an_app_is_no_new_version() -> None:
    app = make_app(is_enabled=True)
    client = signed_in("operator")
    read = client.get(APP)["ETag"]
    App.objects.filter(pk=app.pk).update(epoch=7, next_run_at=utc_now(), failures_in_a_row=2, modified_at=utc_now())

    assert client.get(APP)["ETag"] == read


def test_a_change_of_the_schedule_plans_anew() -> None:
    make_app(is_enabled=True)
    client = signed_in("operator")
    change = {"schedule": "INTERVAL", "interval_s": 60, "owner": "operator"}

    changed = send(client, "patch", APP, change, **{"If-Match": client.get(APP)["ETag"]}).json()

    assert changed["owner"] == "operator"
    assert changed["next_run_at"] is not None


def test_an_owner_nobody_knows_is_refused() -> None:
    make_app()
    client = signed_in("operator")

    refused = send(client, "patch", APP, {"owner": "ghost"}, **{"If-Match": client.get(APP)["ETag"]})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/owner")


def test_a_start_is_a_command_to_poll() -> None:
    make_app(is_enabled=True)
    client = signed_in("operator")

    started = send(
        client, "post", f"{APP}/start", {"args": {"base_url": "http://site.test/"}, "limit": 3, "dry_run": True}
    )

    command = client.get(started["Location"]).json()
    assert started.status_code == 202
    assert command == started.json()
    assert (command["verb"], command["state"], command["source"]) == ("START", "EXECUTED", "API")
    assert command["issuer"] == "operator"
    run = client.get(f"/api/v1/runtimes/{command['runtime']}").json()
    assert (run["state"], run["trigger"], run["args"]) == ("QUEUED", "API", {"base_url": "http://site.test/"})
    assert (run["limit"], run["is_dry_run"]) == (3, True)


def test_a_start_that_is_refused_says_why_and_stands_in_the_commands() -> None:
    make_app(is_enabled=False)
    client = signed_in("operator")

    refused = send(client, "post", f"{APP}/start")

    assert refused.status_code == 409
    assert refused.json()["detail"] == f"{BOOKS} is disabled; enable it first."
    assert client.get(refused["Location"]).json()["state"] == "NOT_EXECUTED"


def test_a_run_is_stopped_alone_or_with_all_others() -> None:
    app = make_app(is_enabled=True, max_parallel=2)
    one, two = make_run(app, State.RUNNING, slot=0), make_run(app, State.RUNNING, slot=1)
    client = signed_in("operator")

    assert send(client, "post", f"/api/v1/runtimes/{one.pk}/stop").status_code == 202
    assert set(Runtime.objects.filter(state=State.STOPPING)) == {one}
    assert send(client, "post", f"{APP}/stop", {"runtime": "0" * 32}).status_code == 422
    assert send(client, "post", f"{APP}/stop", {"runtime": two.pk}).json()["state"] == "PENDING"
    assert Runtime.objects.filter(state=State.STOPPING).count() == 2


def test_an_app_is_switched_off_and_on() -> None:
    make_app(is_enabled=True)
    client = signed_in("operator")

    assert send(client, "post", f"{APP}/disable").json()["state"] == "EXECUTED"
    assert client.get(APP).json()["is_enabled"] is False
    assert send(client, "post", f"{APP}/enable", {"trial": False}).json()["state"] == "EXECUTED"
    assert client.get(APP).json()["is_enabled"] is True


def test_a_removal_waits_for_its_grace_and_can_be_cancelled() -> None:
    make_app(is_enabled=True)
    client = signed_in("admin")

    removed = send(client, "delete", f"{APP}?grace_days=7")

    assert removed.status_code == 202
    due = App.objects.get().remove_after
    assert due is not None
    assert abs(due - utc_now() - timedelta(days=7)) < timedelta(minutes=5)
    assert AuditEntry.objects.get(action="app.removal_requested").actor_name == "admin"
    assert send(client, "post", f"{APP}/keep").json()["remove_after"] is None
    assert send(client, "post", f"{APP}/keep").status_code == 409
    assert send(client, "delete", f"{APP}?grace_days=0").status_code == 422


def test_a_command_for_many_is_shown_before_and_done_for_those_it_can_be_done_for() -> None:
    make_app(is_enabled=True)
    make_app("examples.shop.pens", is_enabled=False)
    make_app("other.shop.toys", is_enabled=True)
    client = signed_in("operator")
    order = {"verb": "START", "where": {"group": "examples"}}

    shown = send(client, "post", "/api/v1/apps/commands", {**order, "preview": True}).json()
    assert [(item["code"], item["outcome"]) for item in shown["items"]] == [
        (BOOKS, "would"),
        ("examples.shop.pens", "refused"),
    ]
    assert "disabled" in shown["items"][1]["reason"]
    assert not Command.objects.exists()
    assert not Runtime.objects.exists()
    assert not AuditEntry.objects.exists()

    done = send(client, "post", "/api/v1/apps/commands", order).json()
    assert [item["outcome"] for item in done["items"]] == ["done", "refused"]
    assert "disabled" in done["items"][1]["reason"]
    assert Runtime.objects.count() == 1


def test_a_command_for_many_is_done_once_and_goes_on_where_it_was_left() -> None:
    for number in range(5):
        make_app(f"examples.shop.app{number}", is_enabled=True)
    client = signed_in("operator")
    order: dict[str, Any] = {"verb": "DISABLE", "where": {"q": ""}, "limit": 3}

    first = send(client, "post", "/api/v1/apps/commands", order, **{"Idempotency-Key": "k"})
    again = send(client, "post", "/api/v1/apps/commands", order, **{"Idempotency-Key": "k"})
    order["cursor"] = first.json()["next_cursor"]
    rest = send(client, "post", "/api/v1/apps/commands", order)

    assert again.content == first.content
    assert [len(part.json()["items"]) for part in (first, rest)] == [3, 2]
    assert rest.json()["next_cursor"] is None
    assert Command.objects.count() == 5
    assert not App.objects.filter(is_enabled=True).exists()


def test_a_command_for_many_says_which() -> None:
    assert (
        send(signed_in("operator"), "post", "/api/v1/apps/commands", {"verb": "STOP", "where": {}}).status_code == 422
    )


def test_who_may_not_command_one_may_not_command_many() -> None:
    order = {"verb": "STOP", "where": {"q": ""}}

    assert send(signed_in("viewer"), "post", "/api/v1/apps/commands", order).status_code == 403
