"""The one thread of a process that asks the database about proxies: it takes, renews, gives back, keeps accounts.

Whoever fetches only ever waits for it when an address is needed; what requests come to is told it in passing. One
thread is one connection, however many fetch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, connections

from apps.core.clock import database_now, shared_now
from apps.core.silence import limit_silence
from apps.proxies.leasing import RENEW_S, Held, Holder, renew
from apps.proxies.tallies import Tallies, write_down
from collectors.toolkit.http.providers import Price

log = structlog.get_logger("proxies")
_T = TypeVar("_T")

#: Sums are written down so often.
WRITE_S = 5.0
#: At the end of a run, so long for the last words; what is not said by then, the end of the run says.
LAST_S = 10.0
#: Something to do with the database, at a moment by its clock.
Work = Callable[[datetime], _T]


def boot_time() -> float:
    """Seconds since the machine was started, sleep included; nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class DeskIsClosed(RuntimeError):
    """The run is over; nobody asks for a proxy any more."""


class Desk:
    """Does what it is asked, in turn; renews the leases that it knows of."""

    def __init__(self, holder: Holder, *, renew_s: float = RENEW_S) -> None:
        self.holder = holder
        self.tallies = Tallies()
        self.prices: dict[int, Price] = {}
        self._renew_s = renew_s
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._leases: dict[str, tuple[Held, Callable[[float], None]]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._renew_at = self._write_at = 0.0
        self._is_closed = False

    # -- For those who fetch -------------------------------------------------------------------------------------------

    def ask(self, work: Work[_T]) -> _T:
        """Have it done, and wait for what comes of it. Raises what it raises."""
        future: Future[_T] = Future()

        def job() -> None:
            try:
                future.set_result(work(shared_now()))
            except BaseException as error:  # noqa: BLE001 - it is the error of who asked
                future.set_exception(error)
                if isinstance(error, DatabaseError):
                    connections.close_all()

        if not self._put(job):
            raise DeskIsClosed("The run is over: it gets no proxy any more.")
        return future.result()

    def tell(self, work: Work[object]) -> None:
        """Have it done some time soon. When it cannot be, a line says so."""

        def job() -> None:
            try:
                work(shared_now())
            except DatabaseError as error:
                log.warning("proxies.not_written", reason=str(error).strip().partition("\n")[0])
                connections.close_all()

        self._put(job)

    def keep(self, held: Held, extend: Callable[[float], None]) -> None:
        """Renew this lease until it is let go; `extend` is told until when it holds, as `boot_time`."""
        with self._lock:
            self._leases[held.token] = held, extend

    def let_go(self, token: str) -> None:
        """Renew it no more."""
        with self._lock:
            self._leases.pop(token, None)

    def close(self) -> None:
        """Do what was asked, write down what was counted, and end."""
        with self._lock:
            self._is_closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(LAST_S)

    # -- The thread ----------------------------------------------------------------------------------------------------

    def _put(self, job: Callable[[], None]) -> bool:
        with self._lock:
            if self._is_closed:
                return False
            if self._thread is None:
                self._renew_at = self._write_at = boot_time()
                self._thread = threading.Thread(target=self._run, name="proxies", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return True

    def _run(self) -> None:
        limit_silence()
        self._guarded(database_now)
        try:
            while True:
                try:
                    job = self._jobs.get(timeout=min(1.0, self._renew_s / 4))
                except queue.Empty:
                    self._tend()
                    continue
                if job is None:
                    break
                job()
                self._tend()
            self._guarded(self._write)
        finally:
            connections.close_all()

    def _tend(self) -> None:
        now = boot_time()
        if now >= self._renew_at + self._renew_s:
            self._renew_at = now
            self._guarded(self._renew)
        if now >= self._write_at + WRITE_S:
            self._write_at = now
            self._guarded(self._write)

    def _guarded(self, do: Callable[[], object]) -> None:
        try:
            do()
        except DatabaseError as error:
            # A lease that cannot be renewed runs out by the holder's own clock.
            log.warning("proxies.database_away", reason=str(error).strip().partition("\n")[0])
            connections.close_all()

    def _renew(self) -> None:
        with self._lock:
            known = dict(self._leases)
        if not known:
            return
        began = boot_time()
        kept = renew([held for held, _ in known.values()], self.holder)
        for token, (held, extend) in known.items():
            if token in kept:
                extend(began + held.ttl_s)
            else:
                self.let_go(token)
                extend(0.0)
                log.warning("proxy.lease_lost", address=held.ip, site=held.domain)

    def _write(self) -> None:
        sums: dict[Any, Any] = self.tallies.take()
        try:
            for key in list(sums):
                provider_id, domain = key
                write_down(provider_id, domain, sums[key], self.prices.get(provider_id, Price()), now=shared_now())
                del sums[key]
        finally:
            self.tallies.put_back(sums)
