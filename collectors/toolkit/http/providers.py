"""Who sells ways out, and how a way out is written as a proxy. Nothing here opens a connection."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from urllib.parse import quote

import httpx

from collectors.toolkit.http.profile import Proxy

GIGABYTE = 10**9
#: What Bright Data takes as the name of a session.
_SESSION = re.compile(r"[a-z0-9]{1,32}")
_COUNTRY = re.compile(r"[a-z]{2}")


class BadProvider(ValueError):
    """What was typed in makes no proxy; the message says what is wrong with it, and shows no password."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider wants, in whatever currency its bill is."""

    per_gb: Decimal = Decimal(0)
    """For 10^9 bytes, both ways together."""
    per_request: Decimal = Decimal(0)

    def of(self, *, requests: int, size: int) -> Decimal:
        """The cost of so many requests of so many bytes in all; exact."""
        return self.per_request * requests + self.per_gb * size / GIGABYTE


class ProxyProvider(Protocol):
    """Somebody who sells ways out. A way out is known by its *session*: a name, the same for as long as it is one."""

    @property
    def price(self) -> Price:
        """What it costs."""
        ...

    @property
    def fresh_s(self) -> float:
        """So long after it was looked at, a way out still has the same address."""
        ...

    def sessions(self) -> Sequence[str] | None:
        """All ways out that there are; None where there are as many as one likes (`new_session`)."""
        ...

    def new_session(self) -> str:
        """One that nobody has used before. Raises `BadProvider` where all are known."""
        ...

    def proxy(self, session: str) -> Proxy:
        """The way out; its `name` is what figures call it, and holds no password. Raises `BadProvider`."""
        ...


@dataclass(frozen=True, slots=True)
class BrightDataProvider:
    """A zone of Bright Data: one gateway, which gives each session an address of its own and keeps it for a minute."""

    host: str
    port: int
    user: str
    """`brd-customer-<id>-zone-<zone>`."""
    password: str = field(repr=False)
    country: str = ""
    price: Price = field(default_factory=Price)
    fresh_s: float = 60.0
    make_session: Callable[[], str] = field(default=lambda: secrets.token_hex(8), repr=False)

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536 or not self.user or not self.password:
            raise BadProvider("Bright Data needs the host and port of its gateway, and user and password of a zone.")
        if self.country and not _COUNTRY.fullmatch(self.country):
            raise BadProvider("A country is written in two small letters, such as de.")

    def sessions(self) -> Sequence[str] | None:
        """See `ProxyProvider`: any number."""
        return None

    def new_session(self) -> str:
        """See `ProxyProvider`."""
        return self.make_session()

    def proxy(self, session: str) -> Proxy:
        """See `ProxyProvider`."""
        if not _SESSION.fullmatch(session):
            raise BadProvider(f"{session!r} is no session: small letters and digits, at most 32.")
        parts = [self.user, *(["country", self.country] if self.country else []), "session", session]
        user, password = quote("-".join(parts), safe=""), quote(self.password, safe="")
        return Proxy(f"http://{user}:{password}@{self.host}:{self.port}", name=f"{self.host}:{self.port}/{session}")


class ListProvider:
    """Proxies that somebody has written down."""

    def __init__(self, proxies: Sequence[str], *, price: Price | None = None, fresh_s: float = 600.0) -> None:
        """Each as a URL. Raises `BadProvider` that names the place of a wrong one."""
        self.price = price or Price()
        self.fresh_s = fresh_s
        self._proxies: dict[str, Proxy] = {}
        for place, url in enumerate(proxies, start=1):
            proxy = _proxy(url, place)
            self._proxies.setdefault(_session_of(proxy), proxy)
        if not self._proxies:
            raise BadProvider("The list is empty: write one proxy a line, such as http://user:password@host:port.")

    @classmethod
    def from_text(cls, text: str, *, price: Price | None = None) -> ListProvider:
        """One a line; empty lines and those that begin with # are nothing. Raises `BadProvider`."""
        lines = [line.strip() for line in text.splitlines()]
        return cls([line for line in lines if line and not line.startswith("#")], price=price)

    def sessions(self) -> Sequence[str]:
        """See `ProxyProvider`."""
        return list(self._proxies)

    def new_session(self) -> str:
        """See `ProxyProvider`."""
        raise BadProvider("A list has no other proxies than those that are in it.")

    def proxy(self, session: str) -> Proxy:
        """See `ProxyProvider`."""
        try:
            return self._proxies[session]
        except KeyError:
            raise BadProvider("This proxy is not in the list any more.") from None


def _proxy(url: str, place: int) -> Proxy:
    try:
        return Proxy(url)
    except (ValueError, httpx.InvalidURL):
        raise BadProvider(
            f"Proxy {place} of the list is not written as http://user:password@host:port (or https, socks5)."
        ) from None


def _session_of(proxy: Proxy) -> str:
    """What it is known by: the same as long as scheme, host, port and user are; of the user nothing can be read."""
    url = httpx.URL(proxy.url)
    return hashlib.sha256(f"{url.scheme}://{url.username}@{url.host}:{url.port}".encode()).hexdigest()[:32]
