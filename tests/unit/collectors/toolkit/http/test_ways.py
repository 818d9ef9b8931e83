"""The way to the site: proxies and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collectors.toolkit.errors import AddressRefused, BadCertificate, ProxyFailed, Reaction
from collectors.toolkit.http import TLS, Proxy
from collectors.toolkit.testing.odd_site import odd_site
from tests.unit.collectors.toolkit.http.drivers import HERE, Driver
from tests.unit.collectors.toolkit.http.http2_site import http2_site

Drive = Callable[..., Driver]
CERTIFICATES = Path(__file__).parents[4] / "servers" / "certificates"


class _Forward(BaseHTTPRequestHandler):
    """A proxy that carries plain requests and CONNECT, wants a password, and remembers whom it was asked for."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.headers.get("Proxy-Authorization") != "Basic dXNlcjpwYXNz":
            self.send_error(407)
            return
        host, _, rest = self.path.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port or 80)), timeout=5) as site:
            site.sendall(f"GET /{rest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            while piece := site.recv(65536):
                self.wfile.write(piece)
        self.close_connection = True

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        if self.headers.get("Proxy-Authorization") != "Basic dXNlcjpwYXNz":
            self.send_error(407)
            return
        name, _, port = self.path.rpartition(":")
        with socket.create_connection((name, int(port)), timeout=5) as site:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_carry, args=(site, self.connection), daemon=True)
            back.start()
            _carry(self.connection, site)
            back.join(5)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def forward_proxy() -> Iterator[tuple[str, list[str]]]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Forward)
    server.daemon_threads, server.asked = True, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", server.asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    with forward_proxy() as found:
        yield found


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


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "127.0.0.1:8080", "http://"])
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="A proxy is written"):
        Proxy(url)
