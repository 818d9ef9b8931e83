"""One lease in the hands of a run: the proxy to go by, and what the requests by it mean."""

from __future__ import annotations

import threading
from datetime import datetime

from apps.proxies import banning, exits, leasing
from apps.proxies.desk import Desk, boot_time
from apps.proxies.leasing import Held
from apps.proxies.models import ProxyExit, Verdict
from collectors.toolkit.errors import (
    BadStatus,
    BlockedPage,
    FetchError,
    FetchTimeout,
    ProxyFailed,
    Reaction,
    SiteUnreachable,
)
from collectors.toolkit.http.domains import site_of
from collectors.toolkit.http.observing import Attempt
from collectors.toolkit.http.profile import LeasedProxy, Proxy

#: Somebody who would have to ask for another second of it does not begin a request.
MARGIN_S = 1.0
#: 429: the address rests for so long at this site, or for as long as the site says.
REST_S, LONGEST_REST_S = 600, 86_400
#: Timeouts and broken connections.
IN_A_ROW = 2


class Lease:
    """See `collectors.contract.ProxyLease`. Thread-safe."""

    def __init__(self, desk: Desk, held: Held, proxy: Proxy, *, holds_until: float) -> None:
        self.held = held
        self._desk = desk
        self._holds_until = holds_until
        self._is_ended = False
        self._broken = 0
        self._lock = threading.Lock()
        self._proxy = LeasedProxy(proxy.url, proxy.label, self)
        desk.keep(held, self._extend)

    @property
    def proxy(self) -> LeasedProxy:
        """See `ProxyLease`."""
        return self._proxy

    @property
    def address(self) -> str:
        """See `ProxyLease`."""
        return self.held.ip

    @property
    def domain(self) -> str:
        """See `ProxyLease`."""
        return self.held.domain

    @property
    def is_over(self) -> bool:
        """See `ProxyLease`."""
        return self._is_ended or boot_time() >= self._holds_until - MARGIN_S

    def report(self, reaction: str, why: str = "") -> None:
        """See `ProxyLease`. Anything but "rotate" means that nothing is to be done."""
        if Reaction(reaction) is Reaction.ROTATE:
            self._ban(why or "the source says so")

    def release(self) -> None:
        """See `ProxyLease`."""
        self._end()

    def note(self, attempt: Attempt) -> None:
        """See `ProxyLease`."""
        error = attempt.error
        is_ours = site_of(attempt.url.host) == self.domain
        rotates = error is not None and error.reaction is Reaction.ROTATE
        if isinstance(error, ProxyFailed) and self.is_over:
            return  # refused by ourselves
        self._desk.tallies.add(self.held.provider_id, self.domain, attempt, rotates=rotates)
        if error is None:
            self._broken = 0
        elif isinstance(error, ProxyFailed):
            self._fail(error)
        elif isinstance(error, FetchTimeout | SiteUnreachable) and error.reaction is Reaction.RETRY:
            # The site or the proxy: once is the weather.
            self._broken += 1
            if self._broken >= IN_A_ROW:
                self._fail(error)
        elif rotates and is_ours:
            self._unwelcome(error)

    # -- What follows --------------------------------------------------------------------------------------------------

    def _unwelcome(self, error: FetchError) -> None:
        if isinstance(error, BadStatus) and error.status == 429 and not isinstance(error, BlockedPage):
            self._end(rest_s=min(LONGEST_REST_S, round(error.retry_after_s or REST_S)))
        else:
            self._ban(str(error))

    def _ban(self, why: str) -> None:
        ip, domain = self.held.ip, self.held.domain

        def strike(now: datetime) -> None:
            banning.strike(ip, domain, reason=why, now=now)

        # Banned before it is given back, or somebody might have it in between.
        if self._claim_end():
            self._desk.tell(strike)
            self._give_back(None)

    def _fail(self, error: FetchError) -> None:
        exit_id, said = self.held.exit_id, str(error)
        is_refused = error.reaction is Reaction.STOP

        def note(now: datetime) -> None:
            exits.note_fault(exit_id, said, now=now)
            if is_refused:
                ProxyExit.objects.filter(pk=exit_id).update(verdict=Verdict.REFUSED)

        if self._claim_end():
            self._desk.tell(note)
            self._give_back(None)

    def _end(self, *, rest_s: int | None = None) -> None:
        if self._claim_end():
            self._give_back(rest_s)

    def _claim_end(self) -> bool:
        """Whether it is this caller who ends it."""
        with self._lock:
            is_first, self._is_ended = not self._is_ended, True
        return is_first

    def _give_back(self, rest_s: int | None) -> None:
        token = self.held.token
        self._desk.let_go(token)
        self._desk.tell(lambda now: leasing.release(token, now=now, rest_s=rest_s))

    def _extend(self, holds_until: float) -> None:
        self._holds_until = holds_until
