"""Addresses of one's own: which lease a client goes by, for each site that it visits."""

from __future__ import annotations

import httpx

from collectors.contract import Proxies, ProxyLease
from collectors.toolkit.errors import NoProxy
from collectors.toolkit.http.domains import site_of
from collectors.toolkit.http.profile import Proxy


class Ways:
    """The leases of one client: taken when a site is first asked, and again when one is over. For one thread."""

    def __init__(self, proxies: Proxies) -> None:
        self.proxies = proxies
        self._leases: dict[str, ProxyLease] = {}

    def to(self, url: httpx.URL) -> Proxy | NoProxy:
        """The proxy to go by, or why there is none."""
        site = site_of(url.host)
        lease = self._known(site)
        if lease is None:
            try:
                lease = self._leases[site] = self.proxies.acquire(str(url))
            except NoProxy as error:
                return error
        proxy: Proxy = lease.proxy
        return proxy

    async def ato(self, url: httpx.URL) -> Proxy | NoProxy:
        """The same in an event loop. Requests that come at once for one site share what the first one gets."""
        site = site_of(url.host)
        lease = self._known(site)
        if lease is None:
            try:
                taken = await self.proxies.aacquire(str(url))
            except NoProxy as error:
                return error
            lease = self._known(site)
            if lease is None:
                lease = self._leases[site] = taken
            else:
                taken.release()
        proxy: Proxy = lease.proxy
        return proxy

    def close(self) -> None:
        """Give all of them back."""
        while self._leases:
            self._leases.popitem()[1].release()

    def _known(self, site: str) -> ProxyLease | None:
        lease = self._leases.get(site)
        if lease is not None and lease.is_over:
            del self._leases[site]
            lease.release()
            return None
        return lease
