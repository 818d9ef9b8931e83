"""Proxies without a platform: leases from memory, and a provider whose ways out are numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from collectors.toolkit.errors import NoProxy, Reaction
from collectors.toolkit.http import Attempt, LeasedProxy, Price, Proxy
from collectors.toolkit.http.domains import site_of_url

#: Addresses that are nobody's (RFC 2544).
ADDRESSES = ("198.18.0.1", "198.18.0.2", "198.18.0.3")


class MemoryLease:
    """See `collectors.contract.ProxyLease`."""

    def __init__(self, owner: MemoryProxies, address: str, domain: str, proxy: Proxy) -> None:
        self._owner = owner
        self.address, self.domain = address, domain
        self.is_over = False
        self.proxy = LeasedProxy(proxy.url, proxy.label, self)

    def note(self, attempt: Attempt) -> None:
        """See `ProxyLease`."""
        if attempt.error is not None and attempt.error.reaction is Reaction.ROTATE:
            self.report(Reaction.ROTATE, str(attempt.error))

    def report(self, reaction: str, why: str = "") -> None:
        """See `ProxyLease`."""
        if Reaction(reaction) is Reaction.ROTATE and not self.is_over:
            self._owner.banned.append((self.address, self.domain, why))
            self.release()

    def release(self) -> None:
        """See `ProxyLease`."""
        if not self.is_over:
            self.is_over = True
            self._owner.held.discard((self.address, self.domain))


class MemoryProxies:
    """`context.proxies` of a test: hands out its addresses in turn, each once for a site, and never waits.

    `held` and `banned` say what became of them; `leases` lists all that were taken. Proxies of real servers are given
    as URLs: `MemoryProxies(["http://127.0.0.1:3128"])`.
    """

    def __init__(self, proxies: Sequence[str] = ()) -> None:
        self._proxies = [Proxy(url) for url in proxies or [f"http://{address}:8080" for address in ADDRESSES]]
        self.held: set[tuple[str, str]] = set()
        self.banned: list[tuple[str, str, str]] = []
        """Address, site, and why."""
        self.leases: list[MemoryLease] = []

    def acquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> MemoryLease:
        """See `collectors.contract.Proxies`."""
        del country, wait_s
        site = site_of_url(url)
        banned = {(address, domain) for address, domain, _ in self.banned}
        for proxy in self._proxies:
            key = (proxy.label.rpartition(":")[0], site)
            if key not in self.held and key not in banned:
                self.held.add(key)
                self.leases.append(MemoryLease(self, *key, proxy))
                return self.leases[-1]
        raise NoProxy(f"There was no proxy for {site}: {len(self._proxies)} are held or banned.", url=url)

    @contextmanager
    def lease(self, url: str, **options: Any) -> Iterator[LeasedProxy]:
        """See `collectors.contract.Proxies`."""
        lease = self.acquire(url, **options)
        try:
            yield lease.proxy
        finally:
            lease.release()

    async def aacquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> MemoryLease:
        """See `collectors.contract.Proxies`."""
        return self.acquire(url, country=country, wait_s=wait_s)

    @asynccontextmanager
    async def alease(self, url: str, **options: Any) -> AsyncIterator[LeasedProxy]:
        """See `collectors.contract.Proxies`."""
        with self.lease(url, **options) as proxy:
            yield proxy


class NumberedProvider:
    """A provider for tests: its sessions are 1, 2, 3 and so on; `count` of them, or as many as one likes (0).

    They lead to `proxies`, in turn; without, to addresses that are nobody's.
    """

    fresh_s = 600.0

    def __init__(self, count: int = 0, *, proxies: Sequence[str] = (), price: Price | None = None) -> None:
        self.price = price or Price()
        self.opened = 0
        """How many sessions were opened."""
        self._count, self._proxies = count, list(proxies)

    def sessions(self) -> Sequence[str] | None:
        """See `collectors.toolkit.http.ProxyProvider`."""
        return [str(number) for number in range(1, self._count + 1)] if self._count else None

    def new_session(self) -> str:
        """See `collectors.toolkit.http.ProxyProvider`."""
        self.opened += 1
        return str(self.opened)

    def proxy(self, session: str) -> Proxy:
        """See `collectors.toolkit.http.ProxyProvider`."""
        number = int(session) - 1
        if self._proxies:
            return Proxy(self._proxies[number % len(self._proxies)], name=f"session {session}")
        return Proxy(f"http://198.18.{number // 256 % 256}.{number % 256}:8080", name=f"session {session}")
