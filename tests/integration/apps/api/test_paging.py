"""Lists go on where they were left, whatever happens to them meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import utc_now
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db


def walk(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """All of a list, part by part."""
    items, cursor = [], None
    while True:
        part = client.get(path, query | ({"cursor": cursor} if cursor else {})).json()
        items += part["items"]
        cursor = part["next_cursor"]
        if cursor is None:
            return items


def many_runs(count: int) -> None:
    app, now = make_app(), utc_now()
    for number in range(count):
        run = make_run(app, State.SUCCEEDED)
        # Three at a time are queued at the same moment.
        Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(minutes=number // 3))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 500])
def test_the_parts_of_a_list_are_the_list(limit: int) -> None:
    many_runs(10)

    walked = [run["id"] for run in walk(signed_in(), "/api/v1/runtimes", limit=limit)]

    assert walked == list(Runtime.objects.values_list("pk", flat=True))


def test_what_joins_a_list_in_front_neither_doubles_nor_hides_a_row() -> None:
    many_runs(6)
    client = signed_in()
    before = set(Runtime.objects.values_list("pk", flat=True))
    first = client.get("/api/v1/runtimes?limit=3").json()
    make_run(make_app(), State.SUCCEEDED)

    rest = client.get("/api/v1/runtimes", {"limit": 100, "cursor": first["next_cursor"]}).json()

    seen = [run["id"] for run in first["items"] + rest["items"]]
    assert sorted(seen) == sorted(before)


def test_a_cursor_of_another_list_is_refused() -> None:
    many_runs(2)
    client = signed_in()
    cursor = client.get("/api/v1/runtimes?limit=1").json()["next_cursor"]

    assert client.get("/api/v1/apps", {"cursor": cursor}).status_code == 422


def test_filters_hold_across_parts() -> None:
    many_runs(4)
    make_run(make_app("examples.shop.other"), State.QUEUED)

    found = walk(signed_in(), "/api/v1/runtimes", limit=1, state=["SUCCEEDED"], app="examples.shop.books")

    assert {(run["app"], run["state"]) for run in found} == {("examples.shop.books", "SUCCEEDED")}
    assert len(found) == 4


@pytest.mark.parametrize(("path", "queries"), [("/api/v1/apps", 4), ("/api/v1/runtimes", 3), ("/api/v1/commands", 3)])
def test_a_list_takes_as_many_queries_however_long_it_is(
    path: str, queries: int, django_assert_num_queries: Any
) -> None:
    client = signed_in()
    for number in range(20):
        app = make_app(f"examples.shop.app{number}", is_enabled=True)
        make_run(app, State.SUCCEEDED)
        client.post(f"/api/v1/apps/{app.code}/disable", content_type="application/json")
    client.get(path)

    with django_assert_num_queries(queries):
        assert len(client.get(path).json()["items"]) == 20
