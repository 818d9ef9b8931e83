from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from collectors.toolkit.errors import BadStatus, FetchTimeout, SiteUnreachable
from collectors.toolkit.testing import Answer, CannedClients

URL = "https://shop.example/list"


def test_bytes_text_and_files_are_bodies(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text('{"price": 3}')
    answers: dict[str, Answer] = {URL: b"\xff", f"{URL}/2": "<p>€</p>", f"{URL}/3": tmp_path / "page.json"}
    client = CannedClients(answers).current()

    assert client.get(URL).content == b"\xff"
    assert client.get(f"{URL}/2").text == "<p>€</p>"
    assert client.get(f"{URL}/3").json() == {"price": 3}
    assert client.get(f"{URL}/3").headers["Content-Type"] == "application/json"


def test_a_number_is_a_status() -> None:
    client = CannedClients({URL: 404}).current()

    with pytest.raises(BadStatus, match="answered 404 Not Found") as refused:
        client.get(URL)
    assert refused.value.status == 404
    assert client.get(URL, accept={404}).status_code == 404


def test_any_other_url_is_an_unreachable_site() -> None:
    clients = CannedClients({URL: ""})

    with pytest.raises(SiteUnreachable, match=r"https://shop\.example/other cannot be reached: the test gives no"):
        clients.current().get("https://shop.example/other")


def test_a_function_answers_what_it_likes() -> None:
    def sum_up(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=f"{request.method} {request.content.decode()}")

    assert CannedClients({URL: sum_up}).current().post(URL, content="a=1").text == "POST a=1"


def test_a_function_may_fail_like_a_network() -> None:
    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    with pytest.raises(FetchTimeout):
        CannedClients({URL: hang}).current().get(URL)


def test_redirects_are_followed() -> None:
    def moved(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": "/new"})

    clients = CannedClients({URL: moved, "https://shop.example/new": "here"})

    assert clients.current().get(URL).text == "here"
    assert clients.urls == [URL, "https://shop.example/new"]


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("https://shop.example", "https://shop.example/"),
        ("https://shop.example/", "https://shop.example/#top"),
        ("https://shop.example:443/", "https://shop.example/"),
        ("https://shop.example/a b", "https://shop.example/a%20b"),
    ],
)
def test_urls_that_are_the_same_on_the_wire_are_the_same(known: str, asked: str) -> None:
    assert CannedClients({known: "yes"}).current().get(asked).text == "yes"


def test_parameters_are_part_of_the_url() -> None:
    clients = CannedClients({f"{URL}?page=2": "second"})

    assert clients.current().get(URL, params={"page": 2}).text == "second"
    with pytest.raises(SiteUnreachable):
        clients.current().get(URL)


def test_a_folder_answers_like_a_web_server(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("index")
    (tmp_path / "page.html").write_text("page")
    client = CannedClients.from_folder(tmp_path, "https://docs.example/3").current()

    assert client.get("https://docs.example/3/page.html").text == "page"
    assert client.get("https://docs.example/3/sub/").text == "index"
    assert client.get("https://docs.example/3/sub/index.html").text == "index"


def test_it_answers_in_an_event_loop_too() -> None:
    clients = CannedClients({URL: "hello"})

    async def ask() -> str:
        try:
            return (await clients.current().aget(URL)).text
        finally:
            await clients.current().aclose()

    assert asyncio.run(ask()) == "hello"


def test_an_answer_can_be_replaced() -> None:
    clients = CannedClients({URL: "old"})
    clients.answer(URL, "new")

    assert clients.current().get(URL).text == "new"
