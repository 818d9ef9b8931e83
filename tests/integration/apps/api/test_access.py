"""Who gets in: nobody without saying who they are, and nobody to what they may not do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import AuditEntry, User
from apps.accounts.roles import ROLES
from apps.api.spec import METHODS, describe
from apps.runtime.models import Command
from config.api import api
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_client, make_person, signed_in, token_of

pytestmark = pytest.mark.django_db(databases="__all__")

RUN = "0" * 32
PLACES = {
    "{code}": "examples.shop.books",
    "{table}": "examples.shop.books.book",
    "{name}": "api_key",
    "{alias}": "warehouse",
    **dict.fromkeys(("{run_id}", "{fingerprint}", "{node_id}"), RUN),
    **dict.fromkeys(("{label}", "{username}", "{client_id}"), "books"),
    **dict.fromkeys(("{command_id}", "{function_id}", "{row_id}", "{channel_id}", "{delivery_id}"), "1"),
    **dict.fromkeys(("{rule_id}", "{task_id}", "{grant_id}", "{lockout_id}", "{solve_id}", "{budget_id}"), "1"),
    "{queue_id}": "1",
    **dict.fromkeys(("{provider_id}", "{lease_id}", "{ban_id}"), "1"),
}


def calls() -> Iterator[tuple[str, str, str]]:
    """Method, address and permission of every operation."""
    for path, methods in describe(api)["paths"].items():
        address = re.sub(r"{\w+}", lambda found: PLACES[found[0]], path)
        yield from ((method, address, methods[method]["x-permission"]) for method in METHODS if method in methods)


def ask(client: Client, method: str, path: str, **headers: str) -> Any:
    return getattr(client, method)(path, headers=headers, content_type="application/json")


def test_a_stranger_gets_nothing() -> None:
    for method, path, _ in calls():
        response = ask(Client(), method, path)

        assert response.status_code == 401, path
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic YTpi", "Bearer", "Bearer  "])
def test_a_wrong_token_gets_nothing_even_with_a_session(header: str) -> None:
    assert ask(Client(), "get", "/api/v1/apps", Authorization=header).status_code == 401
    assert ask(signed_in(), "get", "/api/v1/apps", Authorization=header).status_code == 401


def test_a_session_alone_changes_nothing() -> None:
    make_person("superuser")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get())

    for method, path, _ in calls():
        if method != "get":
            response = ask(client, method, path)
            assert response.status_code == 403, path
            assert "csrf" in response.json()["type"]


def test_a_session_with_its_csrf_token_may() -> None:
    make_person("superuser")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get())
    client.cookies[settings.CSRF_COOKIE_NAME] = "c" * 32

    assert ask(client, "post", "/api/v1/apps/commands", **{"X-CSRFToken": "c" * 32}).status_code == 422


@pytest.mark.parametrize("role", ["", *ROLES])
def test_a_role_opens_what_the_table_says_and_nothing_else(role: str) -> None:
    client, allowed = signed_in(role), ROLES.get(role, frozenset())

    for method, path, permission in calls():
        is_refused = ask(client, method, path).status_code == 403
        assert is_refused == (permission not in allowed), f"{method} {path}"


def test_who_was_switched_off_gets_nothing() -> None:
    client = signed_in("admin")
    User.objects.update(is_active=False)

    assert client.get("/api/v1/apps").status_code == 401


def test_the_description_is_for_those_who_are_signed_in() -> None:
    assert Client().get("/api/v1/openapi.json").status_code == 401
    assert Client().get("/api/v1/docs").status_code == 404
    answer = signed_in("viewer").get("/api/v1/openapi.json")
    assert answer.json()["openapi"] == "3.1.0"
    assert answer["Cache-Control"] == "no-store"


def test_nothing_that_is_sent_back_is_kept_by_caches() -> None:
    assert json.loads(signed_in("viewer").get("/api/v1/apps").content) == {"items": [], "next_cursor": None}
    assert signed_in("viewer").get("/api/v1/apps")["Cache-Control"] == "no-store"


def bearer(*, role: str = "", scope: str = "read", **values: Any) -> tuple[Any, str]:
    """A program, and the header it sends."""
    client, secret = make_client(role=role, scopes=scope.split(), **values)
    return client, f"Bearer {token_of(client, secret, scope)}"


def test_a_token_opens_what_its_client_and_its_scopes_both_allow() -> None:
    make_app(is_enabled=True)
    _, reading = bearer(role="operator")
    _, running = bearer(role="operator", scope="run", name="runner")
    stop = "/api/v1/apps/examples.shop.books/stop"

    assert ask(Client(), "get", "/api/v1/apps", Authorization=reading).status_code == 200
    assert ask(Client(), "post", stop, Authorization=reading).status_code == 403
    assert ask(Client(), "get", "/api/v1/apps", Authorization=running).status_code == 403
    assert ask(Client(), "post", stop, Authorization=running).status_code == 409  # it does not run


def test_a_token_stops_when_its_client_does() -> None:
    client, header = bearer(role="viewer")
    client.is_active = False
    client.save()

    response = ask(Client(), "get", "/api/v1/apps", Authorization=header)

    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_who_was_granted_a_part_sees_and_touches_that_part() -> None:
    books, pens = make_app(is_enabled=True), make_app("examples.shop.pens", is_enabled=True)
    mine, other = make_run(books), make_run(pens)
    client, header = bearer(scope="read run")
    grant(client, "operator", books)

    def status(method: str, path: str) -> int:
        return int(ask(Client(), method, path, Authorization=header).status_code)

    shown = ask(Client(), "get", "/api/v1/apps", Authorization=header).json()["items"]
    runs = ask(Client(), "get", "/api/v1/runtimes", Authorization=header).json()["items"]
    assert [app["code"] for app in shown] == [books.code]
    assert [run["id"] for run in runs] == [mine.pk]
    assert status("get", f"/api/v1/apps/{pens.code}") == 404
    assert status("get", f"/api/v1/runtimes/{other.pk}") == 404
    assert status("post", f"/api/v1/apps/{pens.code}/disable") == 404
    assert status("post", f"/api/v1/runtimes/{other.pk}/stop") == 404
    assert status("post", f"/api/v1/apps/{books.code}/disable") == 202
    command = Command.objects.get()
    assert (command.issuer, command.source) == (None, "API")


def test_what_a_program_does_stands_in_the_audit_under_its_name() -> None:
    make_app()
    _, header = bearer(role="admin", scope="write")

    assert ask(Client(), "delete", "/api/v1/apps/examples.shop.books", Authorization=header).status_code == 202

    entry = AuditEntry.objects.get(action="app.removal_requested")
    assert (entry.source, entry.client_name, entry.address) == ("API", "robot", "127.0.0.1")
