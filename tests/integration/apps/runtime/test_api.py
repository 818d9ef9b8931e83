"""Logs of runs, functions and managers for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import database_now
from apps.runtime.function_models import AppFunction
from apps.runtime.models import State
from tests.integration.factories import BOOKS, make_app, make_node, make_run
from tests.integration.function_frames import frame, store
from tests.integration.log_lines import say
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db


def read(client: Client, run_id: str, **query: Any) -> list[dict[str, Any]]:
    response = client.get(f"/api/v1/runtimes/{run_id}/log", query)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.getvalue().splitlines()]


def test_a_log_is_read_line_by_line_and_read_on_later() -> None:
    run = make_run(make_app(), State.RUNNING)
    say(run, 1, 2_500, level=lambda number: 40 if number % 1_000 == 0 else 20)
    client = signed_in("viewer")

    first = read(client, run.pk, limit=1_200)
    rest = read(client, run.pk, after=first[-1]["line"])

    assert [line["line"] for line in first + rest] == list(range(1, 2_501))
    assert first[0]["message"] == "line 1 said"
    assert [line["line"] for line in read(client, run.pk, level=40)] == [1_000, 2_000]
    assert read(client, run.pk, after=2_500) == []


def test_a_log_is_read_in_batches_as_fast_as_it_is_taken(django_assert_num_queries: Any) -> None:
    run = make_run(make_app(), State.RUNNING)
    say(run, 1, 3_000)
    response: Any = signed_in("viewer").get(f"/api/v1/runtimes/{run.pk}/log")
    parts = iter(response.streaming_content)

    with django_assert_num_queries(1):
        next(parts)
    with django_assert_num_queries(1):
        next(parts)


def test_there_is_no_log_of_a_run_one_may_not_see() -> None:
    run = make_run(make_app(), State.RUNNING)
    grant(make_person(), "viewer", make_app("examples.shop.pens"))

    assert signed_in("nobody").get(f"/api/v1/runtimes/{run.pk}/log").status_code == 404
    assert signed_in("viewer").get(f"/api/v1/runtimes/{'0' * 32}/log").status_code == 404
    assert signed_in("viewer").get("/api/v1/runtimes/17/log").status_code == 422


def test_the_slowest_functions_come_first_and_each_has_its_runs() -> None:
    app = make_app()
    one, two = make_run(app, State.SUCCEEDED), make_run(app, State.SUCCEEDED)
    store(one, frame("slow", 500.0), frame("quick", 1.0))
    store(two, frame("slow", 700.0))
    client = signed_in("viewer")

    functions = client.get("/api/v1/functions", {"app": BOOKS}).json()["items"]
    trend = client.get(f"/api/v1/functions/{functions[0]['id']}/trend").json()["items"]
    in_one = client.get(f"/api/v1/runtimes/{one.pk}/functions").json()["items"]

    assert [function["name"] for function in functions] == ["slow", "quick"]
    assert functions[0]["run_count"] == 2
    assert {row["run"] for row in trend} == {one.pk, two.pk}
    assert [row["name"] for row in in_one] == ["slow", "quick"]
    assert client.get("/api/v1/functions", {"limit": 1}).json()["next_cursor"]
    assert client.get(f"/api/v1/functions/{AppFunction.objects.order_by('-pk')[0].pk + 1}/trend").status_code == 404


def test_a_list_of_functions_takes_as_many_queries_however_long_it_is(django_assert_num_queries: Any) -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, *(frame(f"function{number}", 1.0) for number in range(12)))
    client = signed_in("viewer")

    with django_assert_num_queries(5):  # session, user, two for permissions, functions with their apps
        assert len(client.get("/api/v1/functions").json()["items"]) == 12
    with django_assert_num_queries(6):
        assert len(client.get(f"/api/v1/runtimes/{run.pk}/functions").json()["items"]) == 12


def test_managers_say_whether_they_are_alive() -> None:
    make_node()
    make_node(lease_until=database_now() - timedelta(seconds=1))
    client = signed_in("viewer")

    assert sorted(node["is_alive"] for node in client.get("/api/v1/nodes").json()["items"]) == [False, True]
    assert client.get("/api/v1/nodes", {"has_ended": "true"}).json()["items"] == []
