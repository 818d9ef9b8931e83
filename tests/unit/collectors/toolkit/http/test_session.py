"""What a client keeps: headers, cookies, authentication, the way it goes; and what a redirect may take along."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from collectors.toolkit.errors import BadStatus
from collectors.toolkit.http import ClientPool, Request, Session
from collectors.toolkit.testing.odd_site import odd_site
from tests.unit.collectors.toolkit.http.drivers import HERE, Driver

Drive = Callable[..., Driver]


def log_in(driver: Driver, site: str, password: str) -> str:
    return driver.send("POST", f"{site}/login", data={"user": "reader", "password": password}).text


def test_a_login_outlives_every_change_of_the_profile(site: str, drive: Drive) -> None:
    driver = drive()
    assert "Your account" in log_in(driver, site, "right")

    driver.client.set_headers({"X-Own": "1"})
    driver.client.set_auth(("reader", "right"))
    driver.client.set_cookies({"theme": "dark"})
    driver.client.set_profile(timeout_s=5.0, http2=False)

    assert "Your account" in driver.get(f"{site}/account").text
    sent = driver.get(f"{site}/headers").json()
    assert sent["x-own"] == "1"
    assert sent["authorization"].startswith("Basic ")
    assert sent["cookie"] in ("session=reader; theme=dark", "theme=dark; session=reader")


def test_a_login_that_silently_fails_can_be_seen(site: str, drive: Drive) -> None:
    driver = drive()

    assert "password" in log_in(driver, site, "wrong")
    assert "Your account" not in driver.get(f"{site}/account").text


def test_a_login_of_one_thread_holds_for_all(site: str) -> None:
    session = Session(HERE)
    pool = ClientPool(lambda: Request(session=session))
    pool.current().post(f"{site}/login", data={"user": "reader", "password": "right"})

    with ThreadPoolExecutor(3) as executor:
        pages = list(executor.map(lambda _: pool.current().get(f"{site}/account").text, range(9)))
    pool.close()

    assert all("Your account" in page for page in pages)


def test_headers_are_set_replaced_and_taken_away(site: str, drive: Drive) -> None:
    driver = drive(replace(HERE, headers={"X-One": "1", "user-agent": "Own/1"}))
    driver.client.set_headers({"x-one": None, "X-Two": "2"})

    sent = driver.get(f"{site}/headers", headers={"X-Three": "3"}).json()

    assert "x-one" not in sent
    assert (sent["x-two"], sent["x-three"], sent["user-agent"]) == ("2", "3", "Own/1")
    assert "x-three" not in driver.get(f"{site}/headers").json()


def test_a_redirect_to_another_site_takes_neither_password_nor_cookies_along(site: str, drive: Drive) -> None:
    driver = drive()
    driver.client.set_auth(("reader", "right"))
    log_in(driver, site, "right")
    with odd_site() as elsewhere:
        # Cookies know no ports: the other site needs another name.
        target = elsewhere.replace("127.0.0.1", "localhost") + "/headers"
        sent = driver.get(f"{site}/redirect/302/{quote(target, safe='')}").json()

    assert "authorization" not in sent
    assert "cookie" not in sent


def test_a_password_for_one_host_is_shown_to_no_other(site: str, drive: Drive) -> None:
    driver = drive()
    driver.client.set_auth(("reader", "right"), host="shop.example")

    assert "authorization" not in driver.get(f"{site}/headers").json()


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirect_changes_the_method_as_browsers_do(site: str, drive: Drive, status: int, method: str) -> None:
    page = drive().send("POST", f"{site}/redirect/{status}/%2Fecho", content=b"sent")

    assert page.request.method == method
    assert page.content == (b"sent" if method == "POST" else b"/echo")
    assert [one.status_code for one in page.history] == [status]


def test_redirects_are_not_followed_where_they_are_what_is_asked_for(site: str, drive: Drive) -> None:
    page = drive().get(f"{site}/redirect/302/%2Fpage", follow_redirects=False, accept={302})

    assert page.headers["location"] == "/page"


def test_what_authentication_asks_for_is_sent(drive: Drive, site: str) -> None:
    class Twice(httpx.Auth):
        def auth_flow(self, request: httpx.Request):  # type: ignore[no-untyped-def]
            answer = yield request
            request.headers["X-Nonce"] = str(answer.status_code)
            yield request

    assert drive().get(f"{site}/headers", auth=Twice()).json()["x-nonce"] == "200"


def test_params_json_and_files_are_those_of_httpx(site: str, drive: Drive) -> None:
    driver = drive()

    assert driver.get(f"{site}/x", params={"a": "1 2"}).text == "/x?a=1+2"
    assert driver.send("POST", f"{site}/x", json={"a": 1}).text == '{"a":1}'
    assert 'name="f"' in driver.send("POST", f"{site}/x", files={"f": b"data"}).text
    with pytest.raises(TypeError, match="no option 'timeuot'"):
        driver.get(f"{site}/x", timeuot=1)


def test_an_error_of_a_sent_password_does_not_show_it(site: str, drive: Drive) -> None:
    with pytest.raises(BadStatus) as caught:
        drive().get(site.replace("http://", "http://reader:hunter2@") + "/status/404")

    assert "hunter2" not in f"{caught.value} {caught.value.url}"
