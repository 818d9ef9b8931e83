"""Which addresses may be visited: those of the public internet, and the networks that the app is allowed.

A page can send us anywhere: by a link, by a redirect, by a name whose address changes between two looks. So it is the
address that is judged, the very one that is connected to, each time, whatever the way it was written.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

#: Prefixes that carry an IPv4 address to a translator (RFC 6052, RFC 8215).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
#: The addresses of the IPv4-compatible form, which some systems still understand (RFC 4291, 2.5.5.1).
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Refused(OSError):
    """This address is not for the app. An OSError, so that libraries let it pass as a failed connection."""


def networks(text: str) -> tuple[Network, ...]:
    """Networks and single addresses, separated by commas or spaces. Raises `ValueError` that names the wrong one."""
    found: list[Network] = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise ValueError(f"{word!r} is no network: write 10.1.0.0/16, 127.0.0.1 or fd00::/8.") from None
    return tuple(found)


class Guard:
    """Judges addresses for one profile."""

    __slots__ = ("_allowed",)

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, address: str) -> None:
        """Raises `Refused` unless `address`, an IP address as text, may be visited."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if self._is_allowed(parsed):
            return
        if not all(_is_public(one) or self._is_allowed(one) for one in _meant(parsed)):
            raise Refused(f"{address} is an address inside of our own network")

    def check_host(self, host: str) -> None:
        """The same for a host that somebody else looks up, a proxy: all that can be judged is a written address."""
        written = _written_address(host)
        if written is not None:
            self.check(written)
        elif host.rstrip(".").lower() == "localhost" or host.rstrip(".").lower().endswith(".localhost"):
            self.check("127.0.0.1")

    def pick(self, addresses: Sequence[str]) -> list[str]:
        """Those of `addresses` that may be visited. Raises `Refused` if none may."""
        allowed, refused = [], None
        for address in addresses:
            try:
                self.check(address)
            except Refused as error:
                refused = error
            else:
                allowed.append(address)
        if refused is not None and not allowed:
            raise refused
        return allowed

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


@lru_cache(maxsize=4096)
def refusal(host: str, allowed: tuple[Network, ...]) -> str:
    """Why `host`, as it is written, may not be visited; empty if nothing is known against it."""
    try:
        Guard(allowed).check_host(host)
    except Refused as error:
        return str(error)
    return ""


def is_written(host: str) -> bool:
    """Whether `host` may be an address rather than a name: names do not end in a number."""
    return ":" in host or host.rstrip(".").rpartition(".")[2][:1].isdigit()


def _is_public(address: Address) -> bool:
    is_odd = address.is_multicast or address.is_reserved or (isinstance(address, IPv6Address) and address.is_site_local)
    return address.is_global and not is_odd


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that it stands for."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in prefix for prefix in _TRANSLATED) or (address in _COMPATIBLE and int(address) > 1):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    meant: list[Address] = [one for one in inner if one is not None]
    # Of a mapped address only what it maps to counts: the form itself is never public.
    return meant if address.ipv4_mapped or any(address in prefix for prefix in _TRANSLATED) else [address, *meant]


def _written_address(host: str) -> str | None:
    """The IP address that `host` spells, in any way C libraries read: 127.1, 0x7f000001, 2130706433, 0177.0.0.1."""
    try:
        return str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError, ValueError):
        return None
