"""Lines and errors for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.models import Log
from apps.runtime.models import State
from tests.integration.factories import BOOKS, make_app, make_run
from tests.integration.log_lines import say
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db

PRINT = "a" * 32


def lines(client: Client, **query: Any) -> dict[str, Any]:
    response = client.get("/api/v1/logs", query)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def make_group(*codes: str, fingerprint: str = PRINT, **values: Any) -> ErrorGroup:
    now = utc_now()
    known = {"title": "TimeoutError", "level": 40, "count": 3, "first_seen_at": now, "last_seen_at": now}
    group = ErrorGroup.objects.create(fingerprint=fingerprint, **{**known, **values})
    for code in codes:
        ErrorGroupApp.objects.create(group=group, app=make_app(code), count=1, last_seen_at=now)
    return group


def test_a_search_finds_lines_of_all_runs_newest_first_and_goes_on() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    say(run, 1, 5, level=40, context_json={"status": 500})
    say(run, 6, 8, level=20)
    client = signed_in("viewer")

    first = lines(client, q="level:error said", limit=2)
    rest = lines(client, q="level:error said", limit=10, cursor=first["next_cursor"])

    assert [line["line"] for line in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None
    line = first["items"][0]
    assert (line["app"], line["run"], line["level"], line["context"]) == (BOOKS, run.pk, "ERROR", {"status": 500})


@pytest.mark.parametrize(
    "query", [{"q": "levl:error"}, {"q": '"open'}, {"cursor": "WyJsaW5lIiwiYSJd"}, {"q": "x" * 1001}]
)
def test_a_search_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    assert signed_in("viewer").get("/api/v1/logs", query).status_code == 422


def test_who_may_see_one_app_finds_its_lines_alone() -> None:
    books, pens = make_app(), make_app("examples.shop.pens")
    say(make_run(books, State.SUCCEEDED), 1, 2)
    say(make_run(pens, State.SUCCEEDED), 1, 2)
    Log.objects.create(message="line of the platform said", logged_at=utc_now())
    person = make_person()
    grant(person, "viewer", books)
    client = signed_in("nobody")

    assert {line["app"] for line in lines(client, q="said")["items"]} == {BOOKS}
    assert len(lines(signed_in("viewer"), q="said")["items"]) == 5
    assert client.get("/api/v1/logs", {"q": "app:pens said"}).json()["items"] == []


def test_errors_are_listed_as_the_inbox_shows_them() -> None:
    make_group(BOOKS)
    make_group(fingerprint="b" * 32, state=ErrorGroup.State.RESOLVED, resolved_at=utc_now())
    client = signed_in("viewer")

    def found(**query: str) -> list[str]:
        return [group["fingerprint"] for group in client.get("/api/v1/errors", query).json()["items"]]

    assert found() == [PRINT]
    assert found(state="RESOLVED") == ["b" * 32]
    assert found(app=BOOKS) == [PRINT]
    assert found(app="no.such.app") == []
    assert found(level="50") == []
    assert client.get(f"/api/v1/errors/{PRINT}").json()["apps"] == [BOOKS]
    assert client.get(f"/api/v1/errors/{'c' * 32}").status_code == 404


def test_a_list_of_errors_takes_as_many_queries_however_long_it_is(django_assert_num_queries: Any) -> None:
    client = signed_in("viewer")
    for number in range(12):
        make_group(BOOKS, "examples.shop.pens", fingerprint=f"{number:032x}")

    with django_assert_num_queries(6):  # session, user, two for permissions, groups, their apps with the codes
        assert len(client.get("/api/v1/errors").json()["items"]) == 12


def test_an_error_is_resolved_snoozed_and_reopened() -> None:
    make_group(BOOKS)
    client, path = signed_in("operator"), f"/api/v1/errors/{PRINT}"

    def send(verb: str, body: Any = None) -> Any:
        return client.post(f"{path}/{verb}", body, content_type="application/json")

    assert send("resolve").json()["state"] == "RESOLVED"
    until = (utc_now() + timedelta(days=1)).isoformat()
    assert send("snooze", {"until": until}).json()["state"] == "SNOOZED"
    assert send("snooze", {"until": "2001-01-01T00:00:00Z"}).json()["errors"][0]["pointer"] == "/until"
    assert send("snooze", {"until": "2099-01-01T00:00:00"}).status_code == 422  # without a zone
    assert send("reopen").json()["state"] == "OPEN"


def test_who_was_granted_an_app_sees_its_errors_and_settles_none() -> None:
    make_group(BOOKS)
    make_group("examples.shop.pens", fingerprint="b" * 32)
    grant(make_person(), "operator", make_app())
    client = signed_in("nobody")

    assert [group["fingerprint"] for group in client.get("/api/v1/errors").json()["items"]] == [PRINT]
    assert client.get(f"/api/v1/errors/{'b' * 32}").status_code == 404
    refused = client.post(f"/api/v1/errors/{PRINT}/resolve", content_type="application/json")
    assert refused.status_code == 403
