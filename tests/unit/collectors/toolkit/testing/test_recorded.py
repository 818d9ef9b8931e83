"""Answers are recorded from a real site, replayed without one, and hold no secret."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from collectors.toolkit.errors import BadStatus
from collectors.toolkit.http import ClientPool, Profile, Retries, networks
from collectors.toolkit.testing import NotRecorded, assert_parses, recorded
from collectors.toolkit.testing.odd_site import odd_site

HERE = Profile(allowed=networks("127.0.0.1"), retries=Retries(count=0))


@dataclass
class Price:
    code: str
    price: Decimal


def visit(clients: ClientPool, site: str) -> list[str]:
    client = clients.current()
    said = [client.get(f"{site}/page", params={"q": "1", "api_key": "hunter2"}).text[:5]]
    said.append(client.post(f"{site}/login", data={"user": "reader", "password": "right"}).text)
    said.append(client.get(f"{site}/charset/none/cp1250").content.decode("cp1250"))
    with pytest.raises(BadStatus):
        client.get(f"{site}/flaky/recorded/1")
    said.append(client.get(f"{site}/flaky/recorded/1").text)
    said.append(client.get(f"{site}/bomb/gzip/100").content.decode())
    clients.close()
    return said


def test_what_was_recorded_is_replayed_without_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site:
        first = visit(recorded(tmp_path, profile=HERE), site)
    monkeypatch.delenv("DC_TEST_RECORD")

    assert visit(recorded(tmp_path, profile=HERE), site) == first
    assert first[1] == "<h1>Your account</h1>"


def test_the_async_methods_are_recorded_and_replayed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(clients: ClientPool, url: str) -> str:
        page = await clients.current().aget(url)
        await clients.current().aclose()
        return page.text

    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site:
        asyncio.run(fetch(recorded(tmp_path, profile=HERE), f"{site}/page"))
    monkeypatch.delenv("DC_TEST_RECORD")

    assert asyncio.run(fetch(recorded(tmp_path), f"{site}/page")) == "/page"


def test_no_secret_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site:
        clients = recorded(tmp_path, profile=HERE)
        clients.current().set_auth(("reader", "hunter2"))
        clients.current().get(f"{site}/status/200", params={"token": "hunter2"})
        clients.current().post(f"{site}/login", data={"user": "reader", "password": "right"})
        clients.close()

    # What the site says in its page is the site's: this one repeats the address.
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("*.answer.json"))
    assert b"hunter2" not in kept
    assert b"session=reader" not in kept
    assert b"session=recorded" in kept


def test_a_login_that_was_recorded_is_replayed_with_any_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(clients: ClientPool, site: str, user: str, password: str) -> str:
        client = clients.current()
        try:
            said = client.post(f"{site}/login", data={"user": user, "password": password}).text
            return said + client.post(f"{site}/json", json={"page": 1, "login": {"api_key": password}}).text[:10]
        finally:
            clients.close()

    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site:
        first = login(recorded(tmp_path), site, "reader", "right")
    monkeypatch.delenv("DC_TEST_RECORD")

    assert login(recorded(tmp_path), site, "reader", "any") == first
    with pytest.raises(NotRecorded):
        login(recorded(tmp_path), site, "somebody", "right")


def test_failures_are_replayed_and_tried_again_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site:
        quick = Profile(allowed=networks("127.0.0.1"), retries=Retries(count=2, base_s=0.0))
        clients = recorded(tmp_path, profile=quick)
        clients.current().get(f"{site}/flaky/replayed/2")
        clients.current().get(f"{site}/retry-after/replayed/0")
        clients.close()
    monkeypatch.delenv("DC_TEST_RECORD")
    busy = next(file for file in tmp_path.glob("*.answer.json") if "Retry-After" in file.read_text())
    busy.write_text(re.sub(r'("Retry-After",\s*)"0"', r'\1"60"', busy.read_text()))
    assert '"60"' in busy.read_text()

    client = recorded(tmp_path).current()
    assert client.get(f"{site}/flaky/replayed/2").text == "at last"
    assert client.get(f"{site}/retry-after/replayed/0").text == "at last"


def test_threads_record_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as site, ThreadPoolExecutor(8) as pool:
        clients = recorded(tmp_path)
        asked = [f"{site}/page/{number}" for number in range(40)]
        first = list(pool.map(lambda url: clients.current().get(url).text, asked))
        clients.close()
    monkeypatch.delenv("DC_TEST_RECORD")

    client = recorded(tmp_path).current()
    assert [client.get(url).text for url in asked] == first


def test_what_was_not_recorded_fails_the_test(tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match=r"GET https://shop.example/ is not among the answers .* DC_TEST_RECORD=1"):
        recorded(tmp_path).current().get("https://shop.example/")


def parse(content: bytes) -> list[Price]:
    return [Price(*line.split("=")) for line in content.decode().splitlines()]  # type: ignore[arg-type]


def test_a_parser_is_held_against_the_rows_that_were_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "list.txt"
    page.write_text("A1=9.90\nB2=3")
    with pytest.raises(AssertionError, match="no rows to compare with"):
        assert_parses(parse, page)
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    assert_parses(parse, page)
    monkeypatch.delenv("DC_TEST_RECORD")

    assert_parses(parse, page)
    page.write_text("A1=9.90\nB2=4")
    with pytest.raises(AssertionError, match=r"Row 2 of list.txt has changed: 'price' is '4', and was '3'"):
        assert_parses(parse, page)
    page.write_text("A1=9.90")
    with pytest.raises(AssertionError, match="gives 1 rows, and gave 2"):
        assert_parses(parse, page)
