"""What a stranger tries first, on two real web processes: documentation, foreign forms, made-up addresses, sockets."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from django.core.cache import cache
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from apps.accounts.oauth_views import TOKENS_A_MINUTE
from config.api import api
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import session_of
from tests.integration.people import make_client, make_person
from tests.integration.test_every_door import PARAMETER, ROUTES
from tests.services.web import WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

#: Forms of programs: no cookie lets anybody in there.
FOR_PROGRAMS = ("/oauth/token/", "/oauth/revoke/")


@pytest.fixture(scope="module")
def webs(django_db_setup: None, valkey_socket: Path) -> Iterator[tuple[WebProcess, WebProcess]]:
    webs = WebProcess(), WebProcess()
    for web in webs:
        web.start()
    yield webs
    for web in webs:
        web.kill()


def writes() -> Iterator[tuple[str, str]]:
    """Method and path of everything that could change something."""
    run, (client, _secret), person = make_run(make_app()), make_client(), make_person("viewer")
    for _method, path, _least in ROUTES.values():
        yield "POST", path.format(app=run.app_id, run=run.pk, person=person.pk, client=client.pk)
    for page in ("accounts/user/add", "registry/app/1/change", "registry/app/1/delete", "runtime/runtime"):
        yield "POST", f"/admin/{page}/"
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in set(operation.methods) - {"GET"}:
                    yield method, PARAMETER.sub("0", f"/api/v1/{path.lstrip('/')}")


def test_what_a_stranger_tries_first(webs: tuple[WebProcess, WebProcess]) -> None:
    web, other = webs
    run, key = make_run(make_app("a.b.probed")), session_of(make_person("superuser"))

    # Documentation, and the site as another host.
    with httpx.Client(base_url=web.url) as stranger:
        for path in ("/api/v1/openapi.json", "/api/v1/docs", "/api/docs", "/docs", "/metrics", "/api/v1/runs"):
            assert stranger.get(path).status_code in (401, 404), path
        assert stranger.get("/admin/login/", headers={"host": "evil.example.com"}).status_code == 400

    # A form of another site, with the cookie of somebody who may do everything.
    with httpx.Client(base_url=web.url, cookies={"sessionid": key}) as browser:
        assert browser.get("/admin/").status_code == 200
        forged = {
            f"{method} {path}": browser.request(
                method, path, headers={"origin": "https://evil.example.com"}
            ).status_code
            for method, path in writes()
        }
    let_in = {name: status for name, status in forged.items() if status < 400 and not name.endswith(FOR_PROGRAMS)}
    assert let_in == {}
    assert {status for name, status in forged.items() if name.endswith(FOR_PROGRAMS)} <= {400, 401}
    assert list(forged.values()).count(HTTPStatus.FORBIDDEN) > len(ROUTES)

    # Sockets: nobody, and a page of another site.
    address = f"ws://127.0.0.1:{web.port}/ws/runtimes/{run.pk}/log"
    for origin, cookie in ((web.url, ""), ("https://evil.example.com", key), (other.url, key), ("null", key)):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, origin=Origin(origin), additional_headers={"Cookie": f"sessionid={cookie}"})


def test_two_processes_count_together_whatever_address_is_made_up(webs: tuple[WebProcess, WebProcess]) -> None:
    cache.clear()
    person = make_person("viewer", name="guessed")
    person.set_password("correct horse battery")
    person.save()
    with httpx.Client(base_url=webs[0].url) as one, httpx.Client(base_url=webs[1].url) as two:
        statuses = [
            (one, two)[number % 2]
            .post(
                "/oauth/token/",
                data={"grant_type": "client_credentials", "client_id": "x"},
                headers={"x-forwarded-for": f"198.51.100.{number % 250}"},
            )
            .status_code
            for number in range(TOKENS_A_MINUTE * 2 + 1)
        ]
        # A minute may turn over between two of them.
        assert 1 <= statuses.count(429) <= TOKENS_A_MINUTE + 1

        def guess(number: int, password: str) -> int:
            browser = (one, two)[number % 2]
            token = browser.get("/admin/login/").cookies["csrftoken"]
            form = {"username": "guessed", "password": password, "csrfmiddlewaretoken": token}
            made_up = {"x-forwarded-for": f"203.0.113.{number}", "cookie": f"csrftoken={token}"}
            return browser.post("/admin/login/", data=form, headers=made_up).status_code

        assert [guess(number, "wrong") for number in range(5)] == [200] * 5
        assert [guess(number, "correct horse battery") for number in (6, 7)] == [429, 429]
        password = {"grant_type": "password", "username": "guessed", "password": "correct horse battery"}
        assert one.post("/oauth/token/", data=password).status_code in (400, 429)
        assert one.get("/api/v1/apps", auth=("guessed", "correct horse battery")).status_code == 401
