"""`context.proxies`: addresses to go by, from the first provider that has one."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import httpx
import structlog
from django.db import DatabaseError

from apps.proxies import exits, leasing
from apps.proxies.desk import Desk, boot_time
from apps.proxies.lease import Lease
from apps.proxies.leasing import RENEW_S, Held, Holder
from apps.proxies.models import Provider, ProxyExit, Verdict
from apps.proxies.offers import offer_of
from apps.proxies.selectors import why_none
from collectors.contract import StopSignal
from collectors.toolkit.errors import BadURL, NoProxy
from collectors.toolkit.http.domains import site_of_url
from collectors.toolkit.http.judging import Court
from collectors.toolkit.http.profile import LeasedProxy
from collectors.toolkit.http.providers import BadProvider, ProxyProvider

log = structlog.get_logger("proxies")

#: What administrators change reaches a run within.
KNOWN_S = 10.0
#: When nothing is to be had: a random wait of at most the first, doubled each time up to the second.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
#: So many are judged before one looks again whether somebody else has given one back.
JUDGED_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class _Known:
    """A provider, and what it sells."""

    row: Provider
    offer: ProxyProvider


class LeasingProxies:
    """See `collectors.contract.Proxies`. One for a run; thread-safe."""

    def __init__(
        self, holder: Holder, court: Court, *, stop: StopSignal | None = None, renew_s: float = RENEW_S
    ) -> None:
        self.desk = Desk(holder, renew_s=renew_s)
        self._court = court
        self._stop = stop
        self._lock = threading.Lock()
        self._known: list[_Known] = []
        self._unusable = ""
        self._known_until = 0.0

    # -- The contract --------------------------------------------------------------------------------------------------

    def acquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> Lease:
        """See `Proxies`."""
        site = _site(url)
        deadline = boot_time() + wait_s
        for attempt in count():
            try:
                known = [each for each in self._providers() if not country or each.row.country == country]
                if not known:
                    raise NoProxy(self._nobody(site, country), url=url)
                lease = self._from_any(known, site)
                why = ""
            except DatabaseError as error:
                lease, why = None, f"the platform's database cannot be asked: {str(error).strip().splitlines()[0]}"
            if lease is not None:
                return lease
            pause = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - a wait
            if boot_time() + pause >= deadline or not self._wait(pause):
                raise NoProxy(
                    f"There was no proxy for {site} within {wait_s:g} s: {why or self._why(known, site)}", url=url
                )
        raise AssertionError("count() has no end")

    @contextmanager
    def lease(self, url: str, *, country: str = "", wait_s: float = 120.0) -> Iterator[LeasedProxy]:
        """See `Proxies`."""
        lease = self.acquire(url, country=country, wait_s=wait_s)
        try:
            yield lease.proxy
        finally:
            lease.release()

    async def aacquire(self, url: str, *, country: str = "", wait_s: float = 120.0) -> Lease:
        """See `Proxies`."""
        taking = asyncio.ensure_future(asyncio.to_thread(self.acquire, url, country=country, wait_s=wait_s))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # Nobody waits for it any more: whatever comes is given back.
            taking.add_done_callback(_give_back)
            raise

    @asynccontextmanager
    async def alease(self, url: str, *, country: str = "", wait_s: float = 120.0) -> AsyncIterator[LeasedProxy]:
        """See `Proxies`."""
        lease = await self.aacquire(url, country=country, wait_s=wait_s)
        try:
            yield lease.proxy
        finally:
            lease.release()

    # -- What the wiring uses ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The run is over: what it still has, the end of the run gives back."""
        self.desk.close()

    # -- Providers -----------------------------------------------------------------------------------------------------

    def _providers(self) -> list[_Known]:
        with self._lock:
            if boot_time() >= self._known_until:
                self._known = self.desk.ask(self._load)
                self._known_until = boot_time() + KNOWN_S
            return list(self._known)

    def _load(self, now: datetime) -> list[_Known]:
        known, faults = [], []
        for row in Provider.objects.filter(is_active=True).order_by("order", "name"):
            try:
                offer = offer_of(row)
            except BadProvider as error:
                faults.append(f"{row.name}: {error}")
                continue
            exits.sync_exits(row, offer, now=now)
            self.desk.prices[row.pk] = offer.price
            known.append(_Known(row, offer))
        self._unusable = " ".join(faults)
        return known

    def _nobody(self, site: str, country: str) -> str:
        where = f" with addresses in {country}" if country else ""
        said = f" {self._unusable}" if self._unusable else ""
        return f"There is no proxy for {site}: no provider{where} is active. Add one under Proxies > Providers.{said}"

    def _why(self, known: list[_Known], site: str) -> str:
        try:
            reasons = [self.desk.ask(lambda now, row=each.row: why_none(row, site, now=now)) for each in known]  # type: ignore[misc]
        except DatabaseError:
            return "the platform's database cannot be asked."
        return " ".join([*reasons, self._unusable]).strip()

    # -- Taking --------------------------------------------------------------------------------------------------------

    def _from_any(self, known: list[_Known], site: str) -> Lease | None:
        for each in known:
            lease = self._reserve(each, site)
            if lease is None:
                lease = self._judge_some(each, site)
            if lease is not None:
                return lease
        return None

    def _reserve(self, known: _Known, site: str, exit_id: int | None = None) -> Lease | None:
        began = boot_time()
        fresh = timedelta(seconds=known.offer.fresh_s)

        def take(now: datetime) -> Held | None:
            return leasing.reserve(known.row, site, self.desk.holder, fresh_since=now - fresh, exit_id=exit_id)

        held = self.desk.ask(take)
        if held is None:
            return None
        session = self.desk.ask(lambda _: ProxyExit.objects.values_list("session", flat=True).get(pk=held.exit_id))
        log.info("proxy.leased", address=held.ip, site=site, provider=known.row.name, fence=held.fence)
        return Lease(self.desk, held, known.offer.proxy(session), holds_until=began + held.ttl_s)

    def _judge_some(self, known: _Known, site: str) -> Lease | None:
        for _ in range(JUDGED_AT_ONCE):
            # One at a time: who claims more than it needs keeps others from them.
            row = self.desk.ask(lambda now: self._to_judge(known, site, now))
            if row is None:
                return None
            judgement = self._court.judge(known.offer.proxy(row.session))
            exit_id = row.pk
            self.desk.ask(lambda now, exit_id=exit_id, found=judgement: exits.note_judgement(exit_id, found, now=now))  # type: ignore[misc]
            if judgement.verdict != Verdict.GOOD:
                log.warning("proxy.judged", proxy=row.label, verdict=judgement.verdict, said=judgement.said)
                continue
            lease = self._reserve(known, site, row.pk)
            if lease is not None:
                return lease
        return None

    def _to_judge(self, known: _Known, site: str, now: datetime) -> ProxyExit | None:
        if known.offer.sessions() is None:
            # A gateway that has just failed is not asked for another session at once.
            return None if exits.is_resting(known.row, now=now) else exits.open_session(known.row, known.offer, now=now)
        fresh_since = now - timedelta(seconds=known.offer.fresh_s)
        claimed = exits.claim_stale(known.row, now=now, fresh_since=fresh_since, limit=1, domain=site)
        return claimed[0] if claimed else None

    def _wait(self, seconds: float) -> bool:
        """False if the run is to stop."""
        end = boot_time() + seconds
        while not (self._stop is not None and self._stop.is_set()):
            left = end - boot_time()
            if left <= 0:
                return True
            time.sleep(min(left, 0.1))
        return False


def _site(url: str) -> str:
    try:
        return site_of_url(url)
    except (ValueError, TypeError, httpx.InvalidURL):
        raise BadURL(f"{url!r} is not a URL.", url=str(url)) from None


def _give_back(taking: asyncio.Future[Lease]) -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().release()
