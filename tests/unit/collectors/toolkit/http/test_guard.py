"""Which addresses are refused, however they are written, and that it is the address that is connected to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.errors import AddressRefused, BadURL, FetchError
from collectors.toolkit.http import Profile, Retries, networks
from collectors.toolkit.http.guard import Guard, Refused
from tests.unit.collectors.toolkit.http.drivers import ONCE, Driver

Drive = Callable[..., Driver]

STRICT = Profile(retries=ONCE)


@pytest.fixture(scope="module")
def canary() -> Iterator[tuple[int, list[object]]]:
    """A port of this machine, and everybody who ever connected to it."""
    visitors: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    visitors.append(listener.accept())
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], visitors
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "localhost", "LOCALHOST"),  # noqa: S104
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]"),
    ],
)
def test_an_address_inside_of_our_network_is_refused(host: str, drive: Drive, canary: tuple[int, list[object]]) -> None:
    port, visitors = canary

    with pytest.raises(FetchError) as caught:
        drive(STRICT).get(f"http://{host}:{port}/latest/meta-data/")

    assert isinstance(caught.value, AddressRefused), caught.value
    assert visitors == []


@pytest.mark.parametrize("host", ["0177.0.0.1", "\uff11\uff12\uff17.0.0.1", "127.0.0.1%00", "127。0。0。1"])
def test_an_address_written_as_nobody_writes_one_is_no_url(
    host: str, drive: Drive, canary: tuple[int, list[object]]
) -> None:
    port, visitors = canary

    with pytest.raises((BadURL, AddressRefused)):
        drive(STRICT).get(f"http://{host}:{port}/")

    assert visitors == []


def test_a_redirect_inside_is_refused(site: str, drive: Drive, canary: tuple[int, list[object]]) -> None:
    port, visitors = canary
    profile = Profile(retries=ONCE, allowed=networks("127.0.0.1"))

    with pytest.raises(AddressRefused):
        drive(profile).get(f"{site}/redirect/302/{quote(f'http://127.0.0.2:{port}/', safe='')}")

    assert visitors == []


def test_a_name_that_changes_its_address_between_two_looks_gains_nothing(
    drive: Drive, canary: tuple[int, list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, visitors = canary
    looks: list[str] = []
    original = socket.getaddrinfo

    def rebinding(host: str | bytes | None, *args: object, **options: object) -> object:
        if host not in ("rebind.example", b"rebind.example"):
            return original(host, *args, **options)  # type: ignore[arg-type]
        # A public address, where nobody answers, for whoever asks first; then this machine.
        looks.append("look")
        address = "192.0.43.10" if len(looks) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    driver = drive(Profile(timeout_s=0.3, retries=Retries(count=2, base_s=0.01)))

    with pytest.raises(FetchError):
        driver.get(f"http://rebind.example:{port}/")

    assert looks
    assert visitors == []


def test_a_network_that_is_allowed_is_visited(site: str, drive: Drive) -> None:
    assert drive(Profile(retries=ONCE, allowed=networks("127.0.0.0/8"))).get(f"{site}/page").is_success


def test_what_is_allowed_is_written_as_networks() -> None:
    assert [str(network) for network in networks("10.1.2.3/16, fd00::/8 127.0.0.1")] == [
        "10.1.0.0/16",
        "fd00::/8",
        "127.0.0.1/32",
    ]
    with pytest.raises(ValueError, match="'intranet' is no network"):
        networks("intranet")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_clothing(address: object) -> None:
    guard = Guard()

    def verdict(text: str) -> bool:
        try:
            guard.check(text)
        except Refused:
            return False
        return True

    plain = verdict(str(address))
    assert verdict(f"::ffff:{address}") == plain
    assert verdict(f"64:ff9b::{address}") == plain


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "localhost", "metadata.localhost"])
def test_a_proxy_is_not_asked_for_what_we_would_not_visit(host: str) -> None:
    with pytest.raises(Refused):
        Guard().check_host(host)


def test_a_proxy_looks_names_up_itself() -> None:
    Guard().check_host("shop.example")
    Guard().check_host("8.8.8.8")
