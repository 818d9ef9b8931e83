"""Clients that go by addresses of their own: which request goes by which, and when another one is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from collectors.toolkit.errors import BadStatus, NoProxy, ProxyFailed
from collectors.toolkit.http import Attempt, LeasedProxy
from collectors.toolkit.testing import MemoryProxies
from collectors.toolkit.testing.odd_site import odd_site
from tests.servers.forward_proxy import ForwardProxy, forward_proxy
from tests.unit.collectors.toolkit.http.drivers import QUICK, Driver

Drive = Callable[..., Driver]


@pytest.fixture
def pair() -> Iterator[tuple[ForwardProxy, ForwardProxy]]:
    with forward_proxy("127.0.0.7") as one, forward_proxy("127.0.0.8") as other:
        # Of one machine, and two as far as anybody can see.
        one.where = one.where.replace("127.0.0.1", "localhost")
        yield one, other


def test_a_client_keeps_its_address_for_a_site(
    site: str, drive: Drive, pair: tuple[ForwardProxy, ForwardProxy]
) -> None:
    proxies, driver = MemoryProxies([each.url for each in pair]), drive(QUICK)
    driver.client.set_proxy(proxies)

    for _ in range(3):
        driver.get(f"{site}/page")
        driver.client.set_proxy(proxies)

    assert [len(each.asked) for each in pair] == [3, 0]
    assert len(proxies.leases) == 1
    driver.client.set_proxy(None)
    assert proxies.held == set()


def test_an_unwelcome_address_is_changed_within_the_request(
    site: str, drive: Drive, pair: tuple[ForwardProxy, ForwardProxy]
) -> None:
    proxies, driver = MemoryProxies([each.url for each in pair]), drive(QUICK)
    driver.client.set_proxy(proxies)

    with pytest.raises(BadStatus, match="answered 403"):
        driver.get(f"{site}/status/403")

    # It was tried by every address there was.
    assert [len(each.asked) for each in pair] == [1, 1]
    assert [(address, domain) for address, domain, _ in proxies.banned] == [
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ]


def test_a_broken_proxy_is_left_for_the_next(site: str, drive: Drive, pair: tuple[ForwardProxy, ForwardProxy]) -> None:
    one, other = pair
    proxies, driver = MemoryProxies(["http://127.0.0.9:1", other.url]), drive(QUICK)
    driver.client.set_proxy(proxies)

    assert driver.get(f"{site}/page").text == "/page"

    assert [len(each.asked) for each in pair] == [0, 1]
    assert proxies.banned[0][0] == "127.0.0.9"
    assert not one.asked


def test_when_there_is_none_it_is_said_and_nothing_goes_directly(drive: Drive) -> None:
    driver, proxies = drive(QUICK), MemoryProxies(["http://127.0.0.9:1"])
    driver.client.set_proxy(proxies)

    with odd_site() as site, pytest.raises(ProxyFailed, match="cannot be reached"):
        driver.get(f"{site}/page")
    with odd_site() as site, pytest.raises(NoProxy, match="There was no proxy for"):
        driver.get(f"{site}/page")


def test_a_lease_that_is_over_is_refused(site: str, drive: Drive, pair: tuple[ForwardProxy, ForwardProxy]) -> None:
    proxies, driver = MemoryProxies([pair[0].url]), drive()
    with proxies.lease(site) as proxy:
        driver.client.set_proxy(proxy)
        assert driver.get(f"{site}/page").text == "/page"

    with pytest.raises(ProxyFailed, match=r"the lease of .* is over"):
        driver.get(f"{site}/page")
    assert len(pair[0].asked) == 1


def test_what_went_over_the_wire_is_told(site: str, drive: Drive, pair: tuple[ForwardProxy, ForwardProxy]) -> None:
    proxies, driver = MemoryProxies([pair[0].url]), drive()
    told: list[Attempt] = []
    driver.client.session.observers.append(told.append)
    driver.client.set_proxy(proxies)

    page = driver.get(f"{site}/page")

    (attempt,) = told
    assert isinstance(attempt.proxy, LeasedProxy)
    sent = sum(len(name) + len(value) + 4 for name, value in page.request.headers.raw)
    assert sent < attempt.sent < sent + 60
    assert len(page.content) < attempt.received < len(page.content) + 400
