"""How a session behaves: what happens before each request, and what is made of what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import httpx

from collectors.toolkit.errors import StopRun
from collectors.toolkit.http.faults import Fault, WireFault
from collectors.toolkit.http.steps import Ask, Step, Wait
from collectors.toolkit.politeness.circuits import IN_A_ROW, is_down
from collectors.toolkit.politeness.fetching import robots_text
from collectors.toolkit.politeness.knowledge import Knowledge
from collectors.toolkit.politeness.ledger import Bid, Ledger, Slot, Way
from collectors.toolkit.politeness.pauses import DEFAULT, Pause, Why
from collectors.toolkit.politeness.robots import MOST_HOPS, Robots, keeps_s
from collectors.toolkit.politeness.sites import is_this_machine, origin_of, site_of
from collectors.toolkit.politeness.turns import Came, Errand, Turn

#: Who was told that a site has no pause need not ask again for so long.
FREE_S = 0.1
#: A place among those under way that is not free is asked for again after so long.
PLACE_LOOK_S = 0.2
#: Nobody rests longer, whatever a site says.
MOST_REST_S = 86_400.0
#: How much pauses grow.
REFUSED_FACTOR, SLOW_FACTOR = 2.0, 1.5


class Manners:
    """Shared by all clients of a session. Both methods are flows: they yield what is to be done (`http.steps`).

    `pause` is what the source says, `default` what holds where it says nothing. Sites on this machine are spared as
    long as it says nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        pause: Pause | None = None,
        default: Pause = DEFAULT,
        obeys_robots: bool = True,
        luck: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._pause, self._why = pause or default, Why.DEFAULT if pause is None else Why.SOURCE
        self._spares_this_machine = pause is None
        self._obeys_robots = obeys_robots
        self._luck, self._clock = luck, clock
        self._known = Knowledge()

    def before(self, errand: Errand) -> Generator[Step, Any, Turn | None]:
        """Wait for a turn; None where none is needed. Raises `WireFault`, and `StopRun` if the run is to stop."""
        if self._spares_this_machine and is_this_machine(errand.url.host):
            return None
        crawl_s = 0.0
        if self._obeys_robots:
            robots = yield from self._robots(errand)
            if not robots.allows(errand.url, errand.agent):
                raise WireFault(Fault.ROBOTS, f"{origin_of(errand.url)}/robots.txt does not want it fetched")
            crawl_s = robots.delay_s(errand.agent)
        return (yield from self.turn(errand, crawl_s))

    def after(self, turn: Turn, came: Came) -> Generator[Step, Any, None]:
        """What is to be told to others, and when the next request may come."""
        site = turn.way.site
        if turn.place is not None:
            yield Ask(partial(self._ledger.give_back, turn.place))
        rest_s = min(MOST_REST_S, came.retry_after_s or 0.0)
        if came.status in (429, 503) or (rest_s and came.status is not None and came.status >= 400):
            why = Why.UNAVAILABLE if came.status == 503 else Why.TOO_MANY
            self._known.free_until.pop(site, None)
            yield Ask(partial(self._ledger.slow_down, site, why, factor=REFUSED_FACTOR, rest_s=rest_s))
        elif came.status is not None and self._known.has_slowed(site, came.elapsed_s):
            self._known.free_until.pop(site, None)
            yield Ask(partial(self._ledger.slow_down, site, Why.SLOW, factor=SLOW_FACTOR))
        yield from self._judge_way(turn.way, came)

    def close(self) -> None:
        """Say what was not said yet, and let go of the ledger."""
        for site in list(self._known.sites):
            answered, latency_s = self._known.tidings(site)
            if answered:
                self._ledger.settle(site, answered, latency_s)
        self._ledger.close()

    # -- Turns --------------------------------------------------------------------------------------------------------

    def turn(self, errand: Errand, crawl_s: float = 0.0) -> Generator[Step, Any, Turn]:
        """The next turn at the site, whatever its robots.txt says."""
        site = site_of(errand.url)
        way = Way(site, errand.url.host, errand.egress)
        if way in self._known.cut:
            yield from self._enter(way)
        if self._clock() < self._known.free_until.get(site, 0.0):
            return Turn(way)
        return Turn(way, (yield from self._slot(way, errand, crawl_s)))

    def _slot(self, way: Way, errand: Errand, crawl_s: float) -> Generator[Step, Any, Any]:
        """Wait for a slot; a place among those at once comes back where the site has so many only."""
        site, place = way.site, None
        try:
            while True:
                slot: Slot = yield Ask(partial(self._ledger.take, self._bid(site, crawl_s, errand.longest_rest_s)))
                if slot.rest_s > errand.longest_rest_s:
                    raise WireFault(Fault.RESTING, f"it asked for no requests for another {slot.rest_s:.0f} s")
                yield from self._look_at_circuits(way, slot)
                if slot.at_once and place is None:
                    place = yield from self._place(site, slot.at_once, slot.wait_s + errand.lease_s)
                if (yield from self._sit_out(site, slot)):
                    break
        except (StopRun, WireFault):
            if place is not None:
                yield Ask(partial(self._ledger.give_back, place))
            raise
        if slot.most_s == 0.0 and not slot.at_once:
            self._known.free_until[site] = self._clock() + FREE_S
        return place

    def _bid(self, site: str, crawl_s: float, longest_s: float) -> Bid:
        answered, latency_s = self._known.tidings(site)
        pause = self._pause
        return Bid(
            site, pause.low_s, pause.high_s, self._why, crawl_s, self._luck(), longest_s, answered, latency_s
        )  # fmt: skip

    def _sit_out(self, site: str, slot: Slot) -> Generator[Step, Any, bool]:
        """Wait for the slot; False: it is lost, and another one has to be taken."""
        if slot.wait_s > 0:
            yield from self._wait(site, slot.wait_s)
            while True:
                # Alone, nobody can have been told anything; what this process was told, it knows.
                more_s: float = (yield Ask(partial(self._ledger.confirm, site, slot.least_s))) if slot.is_shared else 0
                if more_s <= 0:
                    break
                if more_s > slot.least_s:
                    return False
                yield from self._wait(site, more_s)
        while (gap_s := self._known.too_soon_s(site, slot.least_s, self._clock())) > 0:
            yield from self._wait(site, gap_s)
        return True

    def _wait(self, site: str, seconds: float) -> Generator[Step, Any, None]:
        if not (yield Wait(seconds, is_for_turn=True)):
            raise StopRun(f"The run was asked to stop while it waited for its turn at {site}.")

    def _place(self, site: str, at_once: int, seconds: float) -> Generator[Step, Any, Any]:
        while (place := (yield Ask(partial(self._ledger.lend, site, at_once, seconds)))) is None:
            yield from self._wait(site, PLACE_LOOK_S * (0.5 + self._luck()))
        return place

    # -- Circuits -----------------------------------------------------------------------------------------------------

    def _look_at_circuits(self, way: Way, slot: Slot) -> Generator[Step, Any, None]:
        self._known.usual_s[way.site] = slot.latency_s
        if self._known.circuits.get(way.site, 0) == slot.circuits:
            return
        found = yield Ask(partial(self._ledger.open_circuits, way.site))
        self._known.circuits[way.site] = slot.circuits
        was_known = way in self._known.cut
        self._known.set_cut(way.site, {one.way for one in found})
        if way in self._known.cut and not was_known:
            yield from self._enter(way)

    def _enter(self, way: Way) -> Generator[Step, Any, None]:
        entry = yield Ask(partial(self._ledger.enter, way))
        if entry.is_open:
            raise WireFault(Fault.CIRCUIT, f"{entry.why}; it is tried again in {entry.left_s:.0f} s")

    def _judge_way(self, way: Way, came: Came) -> Generator[Step, Any, None]:
        if is_down(came.fault, came.status):
            in_a_row = self._known.failed(way)
            if in_a_row >= IN_A_ROW or way in self._known.cut:
                what = f"answered {came.status}" if came.fault is None else "did not answer"
                self._known.cut.add(way)
                yield Ask(partial(self._ledger.trip, way, f"{way.host} {what}, {in_a_row} times in a row"))
        elif came.status is not None:
            self._known.answered(way, came.elapsed_s)
            if way in self._known.cut:
                self._known.cut.discard(way)
                yield Ask(partial(self._ledger.close_circuit, way))

    # -- robots.txt ---------------------------------------------------------------------------------------------------

    def _robots(self, errand: Errand) -> Generator[Step, Any, Robots]:
        origin = origin_of(errand.url)
        known = self._known.robots.get(origin)
        if known is not None and self._clock() < known[1]:
            return known[0]
        found = yield Ask(partial(self._ledger.robots, origin))
        if found is None or keeps_s(found) <= 0:
            found = yield from robots_text(self, errand, httpx.URL(f"{origin}/robots.txt"), MOST_HOPS)
            delay_s = Robots.of(found).delay_s(errand.agent)
            yield Ask(partial(self._ledger.keep_robots, site_of(errand.url), origin, found, delay_s))
        robots = Robots.of(found)
        self._known.keep_robots(origin, robots, self._clock() + keeps_s(found))
        return robots
