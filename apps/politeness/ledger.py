"""The ledger of all processes: turns that the platform's database gives out (docs/decisions/0032)."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.politeness.statements import Statements, statements
from collectors.toolkit.politeness.ledger import Bid, Circuit, Entry, Ledger, RobotsText, Slot, Way
from collectors.toolkit.politeness.memory import MemoryLedger
from collectors.toolkit.politeness.pauses import DECAY, Why, margin

log = structlog.get_logger("politeness")

#: While the database does not answer, each process is on its own, and asks again after so long.
ALONE_S = 5.0
_T = TypeVar("_T")


class DatabaseLedger:
    """See `Ledger`. One connection for the process, whatever its number of threads."""

    def __init__(self, *, at_once: int = 0, connection: BaseDatabaseWrapper | None = None) -> None:
        self.owner = uuid.uuid4().hex
        self.statements_sent = 0
        """How often the database was asked."""
        self._at_once = at_once
        self._connection = connection
        self._is_own = connection is None
        self._is_ready = False
        self._alone_until = 0.0
        self._memory = MemoryLedger(at_once=at_once)
        self._lock = threading.RLock()

    # -- Turns --------------------------------------------------------------------------------------------------------

    def take(self, bid: Bid) -> Slot:
        """See `Ledger`."""
        return self._do(lambda texts: self._take(texts, bid), lambda alone: alone.take(bid))

    def _take(self, texts: Statements, bid: Bid) -> Slot:
        decay = DECAY**bid.answered
        values = (
            *(bid.luck, bid.longest_s, bid.low_s, bid.crawl_s, bid.high_s, decay, decay),
            *(bid.crawl_s, bid.low_s, bid.why.value, decay, decay),
            *(bid.answered, bid.latency_s, bid.latency_s, bid.answered, bid.answered),
            *(self.owner, self.owner, bid.site),
        )
        rows = self._rows(texts.take, values)
        if not rows:
            self._rows(texts.appear, (bid.site, self._at_once))
            rows = self._rows(texts.take, values)
        wait_s, rest_s, low_s, high_s, penalty_s, is_shared, latency_s, at_once, circuits = rows[0]
        return Slot(
            wait_s=max(0.0, wait_s),
            rest_s=max(0.0, rest_s),
            least_s=low_s + margin(low_s),
            most_s=high_s + margin(low_s) + penalty_s,
            is_shared=bool(is_shared),
            latency_s=latency_s,
            at_once=at_once,
            circuits=circuits,
        )

    def confirm(self, site: str, least_s: float) -> float:
        """See `Ledger`."""
        return self._do(lambda texts: self._confirm(texts, site, least_s), lambda alone: alone.confirm(site, least_s))

    def _confirm(self, texts: Statements, site: str, least_s: float) -> float:
        if self._rows(texts.confirm, (site, least_s)):
            return 0.0
        rows = self._rows(texts.left, (least_s, site))
        # What was left may be over by now: then the next question is answered.
        return max(0.001, float(rows[0][0])) if rows else 0.0

    def slow_down(self, site: str, why: Why, *, factor: float, rest_s: float = 0.0) -> None:
        """See `Ledger`."""
        is_refused = 0 if why is Why.SLOW else 1
        values = (factor, why.value, rest_s, is_refused, is_refused, factor, site)
        # Told to both: who is alone the next moment has heard it.
        self._memory.slow_down(site, why, factor=factor, rest_s=rest_s)
        self._do(lambda texts: self._rows(texts.slow_down, values), lambda _: [])

    def settle(self, site: str, answered: int, latency_s: float) -> None:
        """See `Ledger`."""
        decay = DECAY**answered
        values = (decay, decay, answered, latency_s, latency_s, answered, answered, site)
        self._do(lambda texts: self._rows(texts.settle, values), lambda _: [])

    # -- Requests at once ---------------------------------------------------------------------------------------------

    def lend(self, site: str, at_once: int, seconds: float) -> Any:
        """See `Ledger`."""
        return self._do(
            lambda texts: self._lend(texts, site, at_once, seconds), lambda alone: alone.lend(site, at_once, seconds)
        )

    def _lend(self, texts: Statements, site: str, at_once: int, seconds: float) -> Any:
        token = uuid.uuid4().hex
        for number in range(at_once):
            if self._rows(texts.lend, (number, token, seconds, site)):
                return site, number, token
        return None

    def give_back(self, place: Any) -> None:
        """See `Ledger`."""
        site, number, token = place
        if isinstance(token, float):
            self._memory.give_back(place)
        else:
            self._do(lambda texts: self._rows(texts.give_back, (site, number, token)), lambda _: [])

    # -- robots.txt ---------------------------------------------------------------------------------------------------

    def robots(self, origin: str) -> RobotsText | None:
        """See `Ledger`."""
        rows = self._do(lambda texts: self._rows(texts.robots, (origin,)), lambda _: [])
        return RobotsText(*rows[0]) if rows else None

    def keep_robots(self, site: str, origin: str, found: RobotsText, crawl_s: float) -> None:
        """See `Ledger`."""
        text = found.text.replace("\0", "")  # PostgreSQL stores none
        values = (origin, found.status, text, crawl_s, site)
        self._do(lambda texts: self._rows(texts.keep_robots, values), lambda _: [])

    # -- Circuits -----------------------------------------------------------------------------------------------------

    def open_circuits(self, site: str) -> Collection[Circuit]:
        """See `Ledger`."""
        rows = self._do(lambda texts: self._rows(texts.open_circuits, (site,)), lambda _: [])
        return [Circuit(Way(site, host, egress), left_s, why) for host, egress, left_s, why in rows]

    def enter(self, way: Way) -> Entry:
        """See `Ledger`."""
        return self._do(lambda texts: self._enter(texts, way), lambda _: Entry(is_open=False))

    def _enter(self, texts: Statements, way: Way) -> Entry:
        values = _key(way)
        if self._rows(texts.probe, values):
            return Entry(is_open=False)
        rows = self._rows(texts.circuit, values)
        return Entry(is_open=True, left_s=max(0.0, rows[0][0]), why=rows[0][1]) if rows else Entry(is_open=False)

    def trip(self, way: Way, why: str) -> None:
        """See `Ledger`."""
        site, host, egress = _key(way)
        self._change(way, lambda texts: self._rows(texts.trip, (host, egress, why[:400], site)))

    def close_circuit(self, way: Way) -> None:
        """See `Ledger`."""
        self._change(way, lambda texts: self._rows(texts.close_circuit, _key(way)))

    def _change(self, way: Way, work: Callable[[Statements], list[Any]]) -> None:
        def change(texts: Statements) -> list[Any]:
            return work(texts) and self._rows(texts.circuits_changed, (way.site,))

        self._do(change, lambda _: [])

    # -- The connection -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the connection; who asks again opens another one."""
        with self._lock, suppress(DatabaseError, InterfaceError):
            if self._is_own and self._connection is not None:
                self._connection.close()
                self._is_ready = False

    def _do(self, work: Callable[[Statements], _T], alone: Callable[[Ledger], _T]) -> _T:
        """Ask the database; while it does not answer, do as a process does that is alone."""
        with self._lock:
            if time.monotonic() >= self._alone_until:
                try:
                    return work(self._ready())
                except (DatabaseError, InterfaceError) as error:
                    self._alone_until = time.monotonic() + ALONE_S
                    self.close()
                    log.warning("politeness.alone", reason=str(error).partition("\n")[0], again_in_s=ALONE_S)
            return alone(self._memory)

    def _ready(self) -> Statements:
        if self._connection is None:
            self._connection = connections.create_connection(DEFAULT_DB_ALIAS)
            self._connection.inc_thread_sharing()
        if not self._is_ready:
            self._connection.ensure_connection()
            if self._connection.vendor == "sqlite":
                self._connection.connection.create_function("dc_now", 0, time.time)
            elif self._is_own:
                # What a crash of the server takes along is the last turns: no reason to wait for its disk each time.
                self._rows("SET synchronous_commit = off", ())
            self._is_ready = True
        return statements(self._connection.vendor)

    def _rows(self, text: str, values: Sequence[Any]) -> list[Any]:
        assert self._connection is not None  # noqa: S101 - _ready has made it
        self.statements_sent += 1
        with self._connection.cursor() as cursor:
            cursor.execute(text, values)
            return list(cursor.fetchall()) if cursor.description else []


def _key(way: Way) -> tuple[str, str, str]:
    return way.site, way.host[:255], way.egress[:200]
