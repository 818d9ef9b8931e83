"""Whatever goes wrong is said in one form, with the right status, and says nothing about our insides."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from apps.registry.models import App
from tests.integration.factories import BOOKS, make_app
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db

APP = f"/api/v1/apps/{BOOKS}"


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert (response.status_code, told["status"]) == (status, status)
    assert told["type"] == f"urn:data-collector:problem:{kind}"
    assert told["title"]
    assert told["detail"]
    return told


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/nothing", "/api/v2/apps", f"{APP}/nothing", "/api/v1/%00"])
def test_there_is_nothing_at_this_address(path: str) -> None:
    problem(signed_in().get(path), 404, "not-found")


def test_there_is_no_such_app() -> None:
    told = problem(signed_in().get(APP), 404, "not-found")

    assert told["detail"] == f"There is no app {BOOKS}."
    assert told["instance"] == APP


def test_a_method_that_is_not_known_names_those_that_are() -> None:
    response = signed_in().put("/api/v1/apps")

    problem(response, 405, "method-not-allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}


def test_a_host_that_is_not_ours_is_told_so_in_the_same_form() -> None:
    problem(signed_in().get("/api/v1/apps", headers={"Host": "evil.example"}), 400, "bad-request")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("{", 400, "bad-json"),
        ('{"limit": NaN}', 400, "bad-json"),
        ("[" * 100_000, 400, "bad-json"),
        (b"\xff\xfe", 400, "bad-json"),
        ("[]", 422, "invalid"),
        ('{"limmit": 3}', 422, "invalid"),
        ('{"limit": 0}', 422, "invalid"),
        ('{"limit": 1e400}', 422, "invalid"),
        ('{"limit": 99999999999999999999}', 422, "invalid"),
        ('{"dry_run": 1}', 422, "invalid"),
        ('{"args": {"category": "\\u0000"}}', 422, "invalid"),
        ('{"args": {"category": "\\ud800"}}', 422, "invalid"),
        ('{"args": {"nonsense": 1}}', 422, "invalid"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body: str | bytes, status: int, kind: str) -> None:
    make_app(is_enabled=True)

    problem(signed_in().post(f"{APP}/start", body, content_type="application/json"), status, kind)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_no_json_is_refused(kind: str) -> None:
    make_app(is_enabled=True)

    problem(signed_in().post(f"{APP}/start", "{}", content_type=kind), 415, "not-json")


def test_a_body_that_is_too_large_is_refused(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    make_app(is_enabled=True)
    body = '{"args": {"category": "' + "x" * 1000 + '"}}'

    problem(signed_in().post(f"{APP}/start", body, content_type="application/json"), 413, "too-large")


def test_a_body_of_unknown_length_is_refused() -> None:
    response = signed_in().generic("POST", f"{APP}/start", headers={"Transfer-Encoding": "chunked"})

    problem(response, 411, "length-required")


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=1e9", "limit=9999999999999999999999", "limit=", "limit=1&limit=2"),
        *("cursor=nonsense", "cursor=W10", "cursor=eyJhIjoxfQ", "cursor=WyJjb2RlIiwiYVx1MDAwMCJd", "cursor=%00"),
        *("is_enabled=perhaps", "kind=NONE", "stat=1", "q=%00"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: str) -> None:
    response = signed_in().get(f"/api/v1/apps?{query}")

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"


def test_a_refusal_names_the_place_and_not_the_value() -> None:
    make_app(is_enabled=True)
    response = signed_in().post(f"{APP}/start", '{"limit": "hunter2"}', content_type="application/json")

    told = problem(response, 422, "invalid")

    assert told["errors"] == [{"detail": "Input should be a valid integer.", "pointer": "/limit"}]
    assert "hunter2" not in response.content.decode()


def test_an_error_of_ours_shows_no_trace(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("apps.console.app_api.part_of", broken)

    response = signed_in().get("/api/v1/apps")

    told = problem(response, 500, "server-error")
    assert "secret" not in response.content.decode()
    assert told["error_id"] in caplog.text


def test_a_database_that_is_away_is_said_to_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused at 10.0.0.7")

    monkeypatch.setattr("apps.console.app_api.part_of", away)

    response = signed_in().get("/api/v1/apps")

    problem(response, 503, "unavailable")
    assert response["Retry-After"]
    assert "10.0.0.7" not in response.content.decode()


def test_pages_for_people_keep_their_own_errors() -> None:
    assert Client().get("/nothing")["Content-Type"].startswith("text/html")


def test_a_field_that_the_row_refuses_is_named() -> None:
    make_app()
    client = signed_in()
    etag = client.get(APP)["ETag"]

    response = client.patch(
        APP, {"schedule": "CRON", "cron": "nonsense"}, content_type="application/json", headers={"If-Match": etag}
    )

    told = problem(response, 422, "invalid")
    assert told["errors"][0]["pointer"] == "/cron"
    assert App.objects.get().schedule == App.Schedule.MANUAL
