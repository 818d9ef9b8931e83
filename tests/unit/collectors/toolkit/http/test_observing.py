"""Who looks on is told of every attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from collectors.toolkit.errors import BadStatus, Reaction, SiteUnreachable
from collectors.toolkit.http import Attempt, Retries
from tests.unit.collectors.toolkit.http.drivers import HERE, Driver

Drive = Callable[..., Driver]


def test_each_attempt_is_told_with_what_came_of_it(site: str, drive: Drive) -> None:
    driver = drive(replace(HERE, retries=Retries(count=2, base_s=0.0)))
    seen: list[Attempt] = []
    driver.client.session.observers.append(seen.append)

    driver.get(f"{site}/page")
    with pytest.raises(BadStatus):
        driver.get(f"{site}/status/503")
    with pytest.raises(SiteUnreachable):
        driver.get(f"{site}/hang-up")

    assert [one.status for one in seen] == [200, *[503] * 3, *[None] * 3]
    assert [one.url.path for one in seen[:2]] == ["/page", "/status/503"]
    assert seen[0].error is None
    assert seen[0].size == len("/page")
    assert seen[0].proxy is None
    assert all(one.elapsed_s > 0 for one in seen)
    assert {one.error.reaction for one in seen[1:] if one.error} == {Reaction.RETRY}


def test_behind_a_redirect_the_last_address_is_told(site: str, drive: Drive) -> None:
    driver = drive()
    seen: list[Attempt] = []
    driver.client.session.observers.append(seen.append)

    driver.get(f"{site}/redirect/302/%2Fpage")

    assert [(one.url.path, one.status) for one in seen] == [("/page", 200)]
