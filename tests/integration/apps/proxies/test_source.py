"""`context.proxies` as runs have it: real proxies, real judges, leases in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.core.attention import Look
from apps.core.clock import utc_now
from apps.proxies import judging
from apps.proxies.judge_page import is_proven
from apps.proxies.leasing import Holder
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, ProxyTarget, Verdict
from apps.proxies.needs import find_needs
from apps.proxies.source import LeasingProxies
from apps.proxies.tasks import judge, upkeep
from collectors.toolkit.errors import BadStatus, NoProxy, ProxyFailed
from collectors.toolkit.http import Profile, Request, Retries, networks
from collectors.toolkit.http.judging import Court, Judge
from collectors.toolkit.testing.odd_site import odd_site
from tests.integration.people import make_person, signed_in
from tests.servers.forward_proxy import ForwardProxy, forward_proxy, judge_server

SESSION = "abcd"
LOOPBACK = networks("127.0.0.0/8")
pytestmark = pytest.mark.django_db(databases="__all__")
committing = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with odd_site() as url:
        yield url


@pytest.fixture
def court() -> Iterator[Court]:
    with judge_server() as one, judge_server() as other:
        yield Court([Judge(one.url), Judge(other.url)], allowed=LOOPBACK, seconds=2)


@pytest.fixture
def proxies() -> Iterator[list[ForwardProxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(forward_proxy(f"127.0.0.{number}", user="me", password="p w")) for number in (7, 8)]


@pytest.fixture
def lease(court: Court) -> Iterator[Callable[..., LeasingProxies]]:
    with ExitStack() as stack:

        def make(**options: Any) -> LeasingProxies:
            made = LeasingProxies(Holder(app="a.b.c", runtime="r" * 32, process="here 1"), court, **options)
            stack.callback(made.close)
            return made

        yield make


def provider(*proxies: ForwardProxy | str, **values: Any) -> Provider:
    lines = [each if isinstance(each, str) else each.url for each in proxies]
    return Provider.objects.create(
        **{"name": "list", "kind": "LIST", "secret": "\n".join(lines), "cooldown_s": 0, **values}
    )


def client() -> Request:
    return Request(Profile(allowed=LOOPBACK, retries=Retries(count=3, base_s=0.01)))


@committing
def test_a_run_goes_by_a_judged_address_and_gives_it_back(
    site: str, lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    provider(proxies[0], price_per_gb=Decimal("8.4"), price_per_request=Decimal("0.001"))
    context, request = lease(), client()
    request.set_proxy(context)

    for _ in range(2):
        assert request.get(f"{site}/page").text == "/page"

    held = ProxyReservation.objects.get()
    assert (held.ip, held.domain, held.app, held.runtime) == ("127.0.0.7", "127.0.0.1", "a.b.c", "r" * 32)
    assert held.released_at is None
    request.close()
    context.close()
    held.refresh_from_db()
    assert held.ended_as == ProxyReservation.End.RELEASED
    target = ProxyTarget.objects.get()
    assert (target.requests, target.succeeded, target.rotated) == (2, 2, 0)
    assert target.recent == pytest.approx(1.0)
    size = target.bytes_sent + target.bytes_received
    assert 200 < size < 2000
    assert target.cost == Decimal("0.002") + Decimal("8.4") * size / 10**9


@committing
def test_an_address_that_the_site_refuses_is_banned_and_the_next_provider_asked(
    site: str, lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    provider(proxies[0], name="first", order=1)
    provider(proxies[1], name="second", order=2)
    context, request = lease(), client()
    request.set_proxy(context)

    with pytest.raises(BadStatus, match="answered 403"):
        _within(2, context, lambda: request.get(f"{site}/status/403"))

    context.close()
    assert sorted(ProxyBan.objects.values_list("ip", "level")) == [("127.0.0.7", 1), ("127.0.0.8", 1)]
    assert ProxyReservation.objects.filter(released_at__isnull=True).count() == 0


def _within(seconds: float, context: LeasingProxies, do: Callable[[], Any]) -> Any:
    """Waiting for an address ends after this."""
    acquire = context.acquire
    context.acquire = lambda url, **_: acquire(url, wait_s=seconds)  # type: ignore[method-assign]
    return do()


@committing
def test_a_proxy_that_breaks_is_left_and_judged_again_before_anybody_has_it(
    site: str, lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    provider(proxies[0], name="first", order=1)
    provider(proxies[1], name="second", order=2)
    context, request = lease(), client()
    request.set_proxy(context)
    request.get(f"{site}/page")
    proxies[0].mode = "refuses"
    ProxyExit.objects.filter(provider__name="first").update(next_judge_at=None)

    assert request.get(f"{site}/page").text == "/page"

    assert proxies[1].asked[-1] == f"{site}/page"
    context.close()
    assert not ProxyBan.objects.exists()


@committing
def test_without_an_address_it_says_why_of_each_provider(
    lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    proxies[0].password = "changed"
    provider(f"http://me:old@{proxies[0].where}", name="Residential")

    with pytest.raises(NoProxy, match=r"Residential: 1 refuses our password.* does not accept our name") as caught:
        lease().acquire("https://www.shop.example/", wait_s=0.5)

    assert caught.value.category == "proxy"
    assert list(ProxyExit.objects.values_list("verdict", flat=True)) == [Verdict.REFUSED]
    told = list(find_needs(Look(asker=make_person("operator"), now=utc_now())))
    assert [(need.name, [item.said for item in need.items]) for need in told if need.items] == [
        ("proxy_providers", ["Its password is refused."])
    ]


@committing
def test_no_provider_is_said_at_once(lease: Callable[..., LeasingProxies]) -> None:
    with pytest.raises(NoProxy, match=r"no provider is active\. Add one under Proxies > Providers"):
        lease().acquire("https://shop.example/")
    with pytest.raises(NoProxy, match="no provider with addresses in fr is active"):
        lease().acquire("https://shop.example/", country="fr")


@committing
def test_who_asks_while_everything_is_held_gets_what_is_given_back(
    lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    provider(proxies[0])
    mine, others = lease(), lease()
    first, got = mine.acquire("https://shop.example/"), []

    waiting = threading.Thread(target=lambda: got.append(others.acquire("https://shop.example/")))
    waiting.start()
    with pytest.raises(NoProxy, match="1 held by others"):
        lease().acquire("https://shop.example/", wait_s=0.2)
    first.release()
    waiting.join(30)

    assert got[0].address == first.address
    assert got[0].held.fence == first.held.fence + 1
    assert first.is_over
    assert not got[0].is_over


@committing
def test_leases_are_renewed_and_one_that_was_taken_away_is_not_used_any_more(
    site: str, lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy]
) -> None:
    provider(*proxies)
    context = lease(renew_s=0.1)
    kept, taken = context.acquire(site), context.acquire(site)
    before = ProxyReservation.objects.get(token=kept.held.token).renewed_at

    ProxyReservation.objects.filter(token=taken.held.token).update(released_at=utc_now(), ended_as="BY_HAND")

    _until(lambda: taken.is_over)
    _until(lambda: ProxyReservation.objects.get(token=kept.held.token).renewed_at > before)
    assert not kept.is_over
    request = client()
    request.set_proxy(taken.proxy)
    with pytest.raises(ProxyFailed, match=r"the lease of .* is over"):
        request.get(f"{site}/page")


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@committing
def test_a_gateway_opens_a_session_for_each_address(
    site: str, lease: Callable[..., LeasingProxies], proxies: list[ForwardProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = proxies[0]
    host, _, port = gateway.where.partition(":")
    monkeypatch.setattr("secrets.token_hex", _tokens())
    gateway.user = "zone-country-de-session-" + SESSION
    provider(kind="BRIGHTDATA", host=host, port=int(port), user="zone", country="de", secret="p w")

    with lease().lease(site) as proxy:
        request = client()
        request.set_proxy(proxy)
        assert request.get(f"{site}/page").text == "/page"

    assert ProxyExit.objects.get().session == SESSION
    assert ProxyReservation.objects.get().ip == "127.0.0.7"


def _tokens() -> Callable[[int], str]:
    made = iter(range(1, 1000))
    return lambda size: SESSION if size == 8 else f"{next(made):032x}"


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
def test_the_platform_is_a_judge_that_proves_what_it_says(client: Client, address: str) -> None:
    nonce = "0" * 32

    answer = client.get("/judge", {"nonce": nonce}, REMOTE_ADDR=address)

    data = answer.json()
    assert data["ip"] == address
    assert is_proven(data, nonce)
    assert not is_proven(data, "1" * 32)
    assert not is_proven({**data, "ip": "203.0.113.8"}, nonce)
    assert client.get("/judge", {"nonce": "<x>"}).json().keys() == {"ip"}
    assert answer["Cache-Control"] == "no-store"


def test_idle_ways_out_are_judged_by_a_worker(
    settings: Any, proxies: list[ForwardProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(*proxies)
    proxies[1].mode = "refuses"
    with judge_server() as one, judge_server() as other:
        settings.DC_PROXIES_JUDGES, settings.DC_RUN_ALLOWED_NETWORKS = [one.url, other.url], ["127.0.0.0/8"]
        again: list[object] = []
        monkeypatch.setattr(judge, "apply_async", lambda **options: again.append(options))
        judge()  # proxies.judge
        judge()
        assert one.asked == 1

    assert sorted(ProxyExit.objects.values_list("verdict", "address")) == [("FAILED", ""), ("GOOD", "127.0.0.7")]
    failed = ProxyExit.objects.get(verdict="FAILED")
    assert failed.next_judge_at is not None
    assert failed.next_judge_at > utc_now()
    assert again == []


def test_upkeep_forgets_sessions_of_gateways_that_nobody_uses() -> None:
    row = provider(kind="BRIGHTDATA", host="gateway.example", port=1, user="u", secret="p")
    ProxyExit.objects.create(provider=row, session="old", label="old")
    ProxyExit.objects.update(created_at=utc_now() - 2 * judging.FORGET)
    ProxyExit.objects.create(provider=row, session="new", label="new")

    upkeep()  # proxies.upkeep

    assert list(ProxyExit.objects.values_list("session", flat=True)) == ["new"]


def test_a_list_goes_in_and_never_comes_out() -> None:
    browser, password = signed_in("admin"), "c4nary-password"
    fields = {
        "name": "ours",
        "kind": "LIST",
        "order": "5",
        "is_active": "on",
        "country": "",
        "host": "",
        "port": "",
        "user": "",
        "cooldown_s": "60",
        "price_per_gb": "0",
        "price_per_request": "0",
    }
    address = "/admin/proxies/provider/"
    bad = browser.post(f"{address}add/", {**fields, "secret": f"http://ok.example:1\nftp://me:{password}@x"})
    assert "Proxy 2 of the list" in bad.text
    assert password not in bad.text

    good = browser.post(f"{address}add/", {**fields, "secret": f"http://me:{password}@one.example:3128"})

    assert good.status_code == 302
    row = Provider.objects.get()
    assert ProxyExit.objects.get().label == "one.example:3128"
    for page in (address, f"{address}{row.pk}/change/", "/admin/proxies/proxyexit/", "/api/v1/proxies/providers"):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert password not in answer.text
    assert browser.post(f"{address}{row.pk}/change/", {**fields, "order": "7", "secret": ""}).status_code == 302
    assert Provider.objects.get().order == 7
    assert password in Provider.objects.get().secret
    moved = {**fields, "kind": "BRIGHTDATA", "host": "thief.example", "port": "1", "user": "x", "secret": ""}
    assert "Type it again" in browser.post(f"{address}{row.pk}/change/", moved).text
