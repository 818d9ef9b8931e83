"""What every answer tells browsers, whoever made it; what is refused before anybody reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from config.api import api
from config.asgi import application
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_client, make_person, signed_in
from tests.integration.test_every_door import PARAMETER, ROUTES

Communicator: Any = ApplicationCommunicator
pytestmark = pytest.mark.django_db(databases="__all__")

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
}


@pytest.fixture
def in_production(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True


def addresses(*, is_signed_in: bool) -> Iterator[tuple[str, str]]:
    """Method and path of one of everything that answers, errors and files among them."""
    run, (client, _secret) = make_run(make_app()), make_client()
    person = make_person(name="somebody")
    for method, path, _least in ROUTES.values():
        yield method, path.format(app=run.app_id, run=run.pk, person=person.pk, client=client.pk)
    # Every list is rendered alike; strangers see of each that it leads them to the page to sign in.
    for model in [] if is_signed_in else admin.site._registry:
        yield "get", reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for router in api._get_bound_routers():
        for path in router.path_operations:
            yield "get", PARAMETER.sub("0", f"/api/v1/{path.lstrip('/')}")
    for path in ("/health/live", "/health/ready", "/no/such/page", "/admin/no/such/", "/api/v1/nothing"):
        yield "get", path
    yield "get", "/static/console/console.css"
    yield "post", "/health/live"
    yield "put", "/admin/login/"


@pytest.mark.parametrize("is_signed_in", [True, False], ids=["signed in", "a stranger"])
def test_every_answer_says_what_browsers_must_not_do(in_production: None, is_signed_in: bool) -> None:
    wrong, browser = [], signed_in() if is_signed_in else Client()
    for method, path in addresses(is_signed_in=is_signed_in):
        if path == "/admin/logout/":
            continue
        response = getattr(browser, method)(path, secure=True)
        told = response.headers
        policy = told.get("Content-Security-Policy", "")
        faults = [name for name, value in EVERYWHERE.items() if told.get(name) != value]
        faults += [] if "camera=()" in told.get("Permissions-Policy", "") else ["Permissions-Policy"]
        faults += [] if policy.startswith("default-src 'none'") else ["policy"]
        faults += [] if "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy else ["policy"]
        faults += [] if path.startswith("/admin/") or "unsafe-eval" not in policy else ["eval"]
        faults += [] if path.startswith(("/static/", "/demo/")) or "no-store" in told["Cache-Control"] else ["kept"]
        faults += ["CORS"] if "Access-Control-Allow-Origin" in told else []
        wrong += [f"{method} {path} {response.status_code}: {', '.join(faults)}"] if faults else []

    assert not wrong, "\n".join(wrong)


def test_over_plain_http_people_are_led_on_and_programs_are_refused(in_production: None) -> None:
    browser = Client()

    led_on = browser.get("/admin/login/")
    refused = [browser.get("/api/v1/apps"), browser.post("/oauth/token/"), browser.post("/oauth/revoke/")]

    assert (led_on.status_code, led_on["Location"]) == (301, "https://testserver/admin/login/")
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert refused[0].json()["type"] == "urn:data-collector:problem:https-required"
    assert browser.get("/health/live").status_code == 200


def test_pages_of_other_sites_read_the_api_only_where_they_are_named(settings: Any) -> None:
    page = {"origin": "https://app.example.com"}
    assert "Access-Control-Allow-Origin" not in Client().get("/api/v1/apps", headers=page).headers

    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    answer = Client().get("/api/v1/apps", headers=page)

    assert answer["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    for other in ("https://app.example.com.evil.test", "http://app.example.com", "null"):
        assert "Access-Control-Allow-Origin" not in Client().get("/api/v1/apps", headers={"origin": other}).headers
    assert "Access-Control-Allow-Origin" not in Client().get("/admin/login/", headers=page).headers


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "in pieces without an end"])
@pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/apps"])
def test_a_body_without_measure_is_refused_before_it_is_read(
    path: str,
    is_declared: bool,
    settings: Any,
) -> None:
    read, status, body = asyncio.run(_send_ten_gigabytes(path, is_declared=is_declared))

    assert status == 413
    assert read <= settings.DC_MAX_BODY_BYTES + 2**20
    assert path.startswith("/admin/") or json.loads(body)["type"] == "urn:data-collector:problem:too-large"


async def _send_ten_gigabytes(path: str, *, is_declared: bool) -> tuple[int, int, bytes]:
    """How many bytes were taken, and the status and body of the answer."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    length = [(b"content-length", b"10737418240")] if is_declared else [(b"transfer-encoding", b"chunked")]
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path}
    scope |= {"query_string": b"", "headers": headers + length, "client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    web: Any = Communicator(application, scope)
    for _ in range(0 if is_declared else 64):
        await web.send_input({"type": "http.request", "body": b"x" * 2**20, "more_body": True})
    start = await web.receive_output(10)
    body = await web.receive_output(10)
    left = web.input_queue.qsize()
    await web.wait(10)
    return (0 if is_declared else (64 - left) * 2**20), start["status"], body["body"]
