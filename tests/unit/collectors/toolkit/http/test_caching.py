"""Answers that are kept: asked about, or not fetched twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.toolkit.errors import BadStatus, TooLarge
from collectors.toolkit.http import Cache, Limits
from tests.unit.collectors.toolkit.http.drivers import HERE, Driver

Drive = Callable[..., Driver]


def test_a_site_is_asked_whether_its_page_has_changed(site: str, drive: Drive, tmp_path: Path) -> None:
    driver = drive(replace(HERE, cache=Cache(tmp_path / "cache" / "answers.sqlite3")))

    pages = [driver.get(f"{site}/tagged/v1") for _ in range(2)]

    assert [(page.text, page.status_code) for page in pages] == [("v1", 200)] * 2
    said = [page.extensions["caching"] for page in pages]
    assert (said[0]["from_cache"], said[1]["from_cache"], said[1]["revalidated"]) == (False, True, True)


def test_while_developing_nothing_is_fetched_twice(
    site: str, drive: Drive, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    profile = replace(HERE, cache=Cache(tmp_path / "answers.sqlite3", asks=False))
    url = f"{site}/flaky/{request.node.name}/0"
    first, second = drive(profile), drive(profile)

    assert [driver.get(url).text for driver in (first, first, second)] == ["at last"] * 3

    assert second.get(url).extensions["caching"]["from_cache"]


def test_what_failed_is_not_kept(site: str, drive: Drive, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    driver = drive(replace(HERE, cache=Cache(tmp_path / "answers.sqlite3", asks=False)))
    url = f"{site}/flaky/{request.node.name}/1"

    with pytest.raises(BadStatus):
        driver.get(url)
    assert driver.get(url).text == "at last"


def test_limits_and_unpacking_stay_what_they_are(site: str, drive: Drive, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "answers.sqlite3", asks=False)
    driver = drive(replace(HERE, cache=cache, limits=Limits(bytes=100_000)))

    assert [driver.get(f"{site}/bomb/gzip/70000").content for _ in range(2)] == [bytes(70_000)] * 2
    with pytest.raises(TooLarge):
        driver.get(f"{site}/bomb/gzip/200000")
