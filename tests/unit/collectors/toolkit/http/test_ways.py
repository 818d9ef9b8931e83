"""The way to the site: proxies and TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.toolkit.errors import AddressRefused, BadCertificate, ProxyFailed, Reaction
from collectors.toolkit.http import TLS, Proxy
from collectors.toolkit.testing.odd_site import odd_site
from tests.servers.forward_proxy import ForwardProxy, forward_proxy
from tests.unit.collectors.toolkit.http.drivers import HERE, Driver
from tests.unit.collectors.toolkit.http.http2_site import http2_site

Drive = Callable[..., Driver]
CERTIFICATES = Path(__file__).parents[4] / "servers" / "certificates"


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    with forward_proxy(user="user", password="pass") as found:
        yield found.where, found.asked


def serving(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / name)
    return context


def test_requests_go_by_the_proxy_and_are_counted_by_its_name(
    site: str, drive: Drive, proxy: tuple[str, list[str]]
) -> None:
    where, asked = proxy
    driver = drive()
    driver.client.set_proxy(Proxy(f"http://user:pass@{where}", name="session 7"))

    assert driver.get(f"{site}/page").text == "/page"

    assert asked == [f"{site}/page"]
    assert driver.client.metrics.summary()["proxies"]["session 7"]["count"] == 1
    driver.client.set_proxy(None)
    assert driver.get(f"{site}/page").text == "/page"
    assert len(asked) == 1


def test_a_proxy_that_does_not_know_us_ends_the_attempts(site: str, drive: Drive, proxy: tuple[str, list[str]]) -> None:
    driver = drive()
    driver.client.set_proxy(f"http://user:wrong@{proxy[0]}")

    with pytest.raises(ProxyFailed, match="does not accept our name and password") as caught:
        driver.get(f"{site}/page")

    assert caught.value.reaction is Reaction.STOP
    assert "wrong" not in f"{caught.value} {driver.client.profile}"


def test_so_does_one_that_is_to_carry_tls(drive: Drive, proxy: tuple[str, list[str]]) -> None:
    driver = drive()
    driver.client.set_proxy(f"http://user:wrong@{proxy[0]}")

    with pytest.raises(ProxyFailed, match="does not accept our name and password") as caught:
        driver.get("https://127.0.0.1:1/page")

    assert caught.value.reaction is Reaction.STOP


def test_a_proxy_that_is_gone_is_said_so(site: str, drive: Drive) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        driver = drive()
        driver.client.set_proxy(f"http://127.0.0.1:{taken.getsockname()[1]}")

        with pytest.raises(ProxyFailed, match="the proxy cannot be reached") as caught:
            driver.get(f"{site}/page")

    assert (caught.value.category, caught.value.reaction) == ("proxy", Reaction.ROTATE)


def test_a_proxy_is_not_asked_for_an_address_inside(drive: Drive, proxy: tuple[str, list[str]]) -> None:
    where, asked = proxy
    driver = drive(replace(HERE, allowed=()))
    driver.client.set_proxy(f"http://user:pass@{where}")

    with pytest.raises(AddressRefused):
        driver.get("http://169.254.169.254/latest/meta-data/")

    assert asked == []


def test_tls_goes_through_a_proxy_and_is_checked_at_its_end(drive: Drive, proxy: tuple[str, list[str]]) -> None:
    where, asked = proxy
    driver = drive(replace(HERE, tls=TLS(ca_file=CERTIFICATES / "authority.pem")))
    driver.client.set_proxy(f"http://user:pass@{where}")

    with odd_site(serving("valid.pem")) as site:
        assert driver.get(f"{site}/page").text == "/page"

    assert asked == [site.removeprefix("https://")]


@pytest.mark.parametrize(
    ("certificate", "is_known", "words"),
    [("expired.pem", True, "certificate has expired"), ("valid.pem", False, "certificate is not accepted")],
)
def test_a_certificate_that_proves_nothing_is_refused(
    drive: Drive, certificate: str, is_known: bool, words: str
) -> None:
    tls = TLS(ca_file=CERTIFICATES / "authority.pem") if is_known else TLS()

    with odd_site(serving(certificate)) as site, pytest.raises(BadCertificate, match=words) as caught:
        drive(replace(HERE, tls=tls)).get(f"{site}/page")

    assert caught.value.reaction is Reaction.STOP


def test_a_site_that_speaks_no_tls_is_said_so(site: str, drive: Drive) -> None:
    with pytest.raises(BadCertificate, match="does not speak TLS"):
        drive().get(site.replace("http://", "https://"))


def test_http2_is_spoken_where_the_site_does_not_know_it_as_http1(site: str, drive: Drive) -> None:
    page = drive(replace(HERE, http2=True)).get(f"{site}/page")

    assert (page.text, page.http_version) == ("/page", "HTTP/1.1")


def test_http2_carries_requests_over_one_connection(drive: Drive) -> None:
    driver = drive(replace(HERE, http2=True, tls=TLS(ca_file=CERTIFICATES / "authority.pem")))

    with http2_site(serving("valid.pem")) as (site, connections):
        pages = [driver.get(f"{site}/{number}") for number in range(3)]

    assert [(page.text, page.http_version) for page in pages] == [(f"/{number}", "HTTP/2") for number in range(3)]
    assert connections == [[1, 3, 5]]


@pytest.fixture
def socks() -> Iterator[ForwardProxy]:
    with forward_proxy("127.0.0.8", user="user", password="pass", socks=True) as running:
        yield running


def test_socks_carries_requests_and_looks_names_up_itself(site: str, drive: Drive, socks: ForwardProxy) -> None:
    driver = drive(replace(HERE, tls=TLS(ca_file=CERTIFICATES / "authority.pem")))
    driver.client.set_proxy(socks.url)

    assert driver.get(f"{site}/page").text == "/page"
    with odd_site(serving("valid.pem")) as safe:
        assert driver.get(f"{safe}/page".replace("127.0.0.1", "localhost")).text == "/page"

    assert socks.asked[0] == site.removeprefix("http://")
    assert socks.asked[-1].startswith("localhost:")


def test_socks_that_does_not_know_us_ends_the_attempts(site: str, drive: Drive, socks: ForwardProxy) -> None:
    driver = drive()
    driver.client.set_proxy(f"socks5://user:wrong@{socks.where}")

    with pytest.raises(ProxyFailed, match="does not accept our name and password") as caught:
        driver.get(f"{site}/page")

    assert caught.value.reaction is Reaction.STOP


@pytest.mark.parametrize("mode", ["refuses", "babbles"])
def test_socks_that_does_not_carry_is_said_so(site: str, drive: Drive, socks: ForwardProxy, mode: str) -> None:
    driver, socks.mode = drive(), mode
    driver.client.set_proxy(socks.url)

    with pytest.raises(ProxyFailed) as caught:
        driver.get(f"{site}/page")

    assert (caught.value.category, caught.value.reaction) == ("proxy", Reaction.ROTATE)


@pytest.mark.parametrize("url", ["socks4://127.0.0.1:1080", "127.0.0.1:8080", "http://"])
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="A proxy is written"):
        Proxy(url)
