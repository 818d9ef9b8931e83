"""What all clients of one run share: the profile, the cookies, the figures."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

import httpx

from collectors.contract import StopSignal
from collectors.toolkit.http.metrics import RequestMetrics
from collectors.toolkit.http.observing import Attempt, Observer
from collectors.toolkit.http.profile import LeasedProxy, Profile, Proxy

if TYPE_CHECKING:
    from collectors.toolkit.politeness.manners import Manners

#: How often somebody who waits looks whether the run is to stop.
LOOK_S = 0.1


class Session:
    """Shared by the clients of all threads, so that a login made by one of them holds for all."""

    def __init__(
        self,
        profile: Profile | None = None,
        metrics: RequestMetrics | None = None,
        *,
        stop: StopSignal | None = None,
        manners: Manners | None = None,
    ) -> None:
        self._set(profile or Profile())
        self.metrics = metrics or RequestMetrics()
        self.has_cookies = False
        """False as long as nobody has looked at the jar: to ask the jar takes longer."""
        self._cookies = httpx.Cookies()
        self.stop = stop
        self.manners = manners
        """Without, nobody waits for a turn."""
        self.observers: list[Observer] = []
        """Each is told of every attempt; add yours before the first request."""
        self._lock = threading.Lock()
        self._surroundings = getproxies()

    @property
    def cookies(self) -> httpx.Cookies:
        """The jar."""
        self.has_cookies = True
        return self._cookies

    def change(self, **changes: Any) -> None:
        """Put a changed copy of the profile in its place. Cookies and connections stay."""
        with self._lock:
            self._set(replace(self.profile, **changes))

    def _set(self, profile: Profile) -> None:
        headers = httpx.Headers(profile.base_headers)
        # Together, so that no request gets the one without the other.
        self.look = (profile, headers, headers.raw)

    @property
    def profile(self) -> Profile:
        """The profile as it is now."""
        return self.look[0]

    def tell(self, attempt: Attempt) -> None:
        """Tell those who look on."""
        for observer in self.observers:
            observer(attempt)
        if isinstance(attempt.proxy, LeasedProxy) and attempt.proxy.lease is not None:
            attempt.proxy.lease.note(attempt)

    def proxy_for(self, url: httpx.URL) -> Proxy | None:
        """The proxy of the profile, or the one that the environment names (HTTP_PROXY, NO_PROXY and so on)."""
        if self.profile.proxy is not None or not self._surroundings:
            return self.profile.proxy
        found = self._surroundings.get(url.scheme) or self._surroundings.get("all")
        if not found or proxy_bypass(url.host):
            return None
        return Proxy(found if "://" in found else f"http://{found}")

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self.stop is not None and self.stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait; False if the run was asked to stop meanwhile."""
        end = time.monotonic() + seconds
        while not self.stop_requested:
            left = end - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, LOOK_S))
        return False

    async def pause(self, seconds: float) -> bool:
        """`wait`, in an event loop."""
        end = time.monotonic() + seconds
        while not self.stop_requested:
            left = end - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(left, LOOK_S))
        return False
