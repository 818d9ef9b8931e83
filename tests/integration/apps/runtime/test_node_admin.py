"""The pages of managers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.runtime.models import State
from apps.runtime.node_models import Mark, Node
from tests.integration.factories import make_app, make_run
from tests.integration.people import messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

NODES = "/admin/runtime/node/"


def node(host: str = "machine", **values: Any) -> Node:
    now = utc_now()
    defaults: dict[str, Any] = {
        "boot_id": "b",
        "pid": 1,
        "pid_started": 1,
        "queues": ["runs", "big"],
        "slots": 8,
        "used": 3,
        "started_at": now,
        "heartbeat_at": now,
        "lease_until": now + timedelta(seconds=60),
    }
    return Node.objects.create(host=host, **defaults | values)


def test_the_list_says_how_each_manager_does() -> None:
    node()
    late = utc_now() - timedelta(minutes=5)
    node("gone", lease_until=late, heartbeat_at=late)
    node("leaving", is_draining=True, broker_error="Connection <refused>")
    node("past", ended_at=late, end_cause="Stopped.")
    page = signed_in("viewer").get(NODES).text
    for text in (
        "3 of 8 used, 5 free",
        "runs, big",
        "does not answer",
        "draining",
        "Connection &lt;refused&gt;",
        "ended",
    ):
        assert text in page
    running = signed_in("viewer").get(NODES, {"alive": "yes"}).text
    assert "leaving" in running
    assert "past" not in running


def test_the_list_costs_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(30):
        node(f"machine{number}")
    client.get(NODES)
    with django_assert_num_queries(4):  # session, user, count, page
        assert "machine29" in client.get(NODES).text


def test_the_page_of_a_manager_lists_its_live_runs() -> None:
    ours = node()
    run = make_run(make_app(), State.RUNNING, owner=ours)
    over = make_run(make_app("a.b.over"), State.SUCCEEDED, owner=ours)
    page = signed_in("viewer").get(f"{NODES}{ours.pk}/change/").text
    assert f"/admin/runtime/runtime/{run.pk}/change/" in page
    assert over.pk not in page


def test_managers_are_not_written_by_hand() -> None:
    ours = node()
    client = signed_in()
    assert client.get(f"{NODES}add/").status_code == 403
    assert client.post(f"{NODES}{ours.pk}/delete/", {"post": "yes"}).status_code == 403
    assert signed_in("").get(NODES).status_code == 403


def test_marks_are_shown() -> None:
    Mark.objects.create(name="clock", at=utc_now())
    assert "clock" in signed_in().get("/admin/runtime/mark/").text


def test_an_operator_has_a_manager_take_no_more_runs_and_take_them_again() -> None:
    lab, gone = node("lab"), node("old", ended_at=utc_now())
    nodes = {"_selected_action": [lab.pk, gone.pk]}
    said = []
    for action in ("drain", "undrain"):
        response = signed_in("operator").post("/admin/runtime/node/", {"action": action, **nodes}, follow=True)
        said += messages_of(response)
        lab.refresh_from_db()
        gone.refresh_from_db()
        assert (lab.is_draining, gone.is_draining) == (action == "drain", False)
    assert said == [
        "1 of 2 managers take no more runs, from their next heartbeat on.",
        "1 of 2 managers take runs again, from their next heartbeat on.",
    ]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "actor_name")) == [
        ("manager.draining", "operator"),
        ("manager.claiming", "operator"),
    ]
    signed_in("viewer").post("/admin/runtime/node/", {"action": "drain", **nodes})
    lab.refresh_from_db()
    assert not lab.is_draining
