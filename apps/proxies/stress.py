"""Many processes that want few addresses, some of them killed while they hold one.

Each worker enters into a ledger of its own what it held, from when to when at the most, by the clock that all processes
of a machine share and nobody sets. Whoever holds an address believes in it until the end of its lease; a killed one
until the end of its last renewal. Two beliefs that overlap are a double hold.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection, connections

from apps.core.clock import database_now, shared_now
from apps.proxies.desk import boot_time
from apps.proxies.leasing import Held, Holder, release, renew, reserve
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, Verdict

SITE = "stress.invalid"
#: Between two looks at what stands in the table.
LOOK_S = 0.05
#: The file that ends the workers.
OVER = "over"
#: For so much longer at the most one waits for something to judge.
PATIENCE_S = 60.0


@dataclass(slots=True)
class Found:
    """What came of it."""

    leases: int = 0
    renewals: int = 0
    killed: int = 0
    double_holds: int = 0
    looks: int = 0
    returned_s: list[float] = field(default_factory=list)
    """Of each address whose holder was killed: from the kill until somebody had it again."""
    reserve_ms: list[float] = field(default_factory=list)
    vendor: str = ""
    lease_s: int = 0

    @property
    def verdict(self) -> str:
        """In a sentence."""
        if not self.leases:
            return "No worker got an address, so nothing was proved."
        return f"{self.double_holds} times two processes held one address for one site."

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        times = sorted(self.reserve_ms)
        p50 = statistics.median(times) if times else 0.0
        p99 = times[int(0.99 * (len(times) - 1))] if times else 0.0
        yield f"double_holds={self.double_holds}"
        yield f"leases={self.leases} renewals={self.renewals} killed={self.killed} looks={self.looks}"
        yield f"reserve_p50_ms={p50:.2f} reserve_p99_ms={p99:.2f} database={self.vendor}"
        if self.returned_s:
            yield f"address_of_killed_back_max_s={max(self.returned_s):.2f} lease_s={self.lease_s}"


@dataclass(frozen=True, slots=True)
class Hold:
    """That a worker believed to hold an address."""

    ip: str
    fence: int
    worker: int
    since: float
    until: float


@dataclass(slots=True, kw_only=True)
class Stress:
    """One round."""

    workers: int
    ips: int
    seconds: float
    lease_s: int = 3
    kills_per_s: float = 2.0
    found: Found = field(default_factory=Found)

    def run(self) -> Found:
        """Do it, and tidy up. Raises `django.db.DatabaseError`."""
        self.found.vendor, self.found.lease_s = connection.vendor, self.lease_s
        provider = self._provider()
        try:
            with TemporaryDirectory(prefix="proxy-stress-") as folder:
                killed = self._let_them(Path(folder), provider.pk)
                self._judge(Path(folder), killed)
        finally:
            ProxyBan.objects.filter(domain=SITE, ip__in=self._addresses()).delete()
            provider.delete()
        return self.found

    def _addresses(self) -> list[str]:
        return [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(self.ips)]

    def _provider(self) -> Provider:
        provider = Provider.objects.create(
            name=f"proxy_stress {os.getpid()}", kind=Provider.Kind.LIST, is_active=False, cooldown_s=0
        )
        # They count as judged for as long as it takes.
        judged_at = database_now() + timedelta(seconds=self.seconds + PATIENCE_S)
        ProxyExit.objects.bulk_create(
            ProxyExit(
                provider=provider,
                session=address,
                label=address,
                address=address,
                verdict=Verdict.GOOD,
                judged_at=judged_at,
            )
            for address in self._addresses()
        )
        return provider

    # -- Workers, and what is done to them -----------------------------------------------------------------------------

    def _let_them(self, folder: Path, provider_id: int) -> dict[int, float]:
        """Start them, kill some and start others in their place; the killed by number, and when they died."""
        begun = boot_time()
        known = {number: self._start(folder, provider_id, number) for number in range(self.workers)}
        killed: dict[int, float] = {}
        next_number, next_kill = self.workers, boot_time() + 1.5
        try:
            while not self._is_done(folder, killed, boot_time() - begun):
                self._look(provider_id)
                if self.kills_per_s and boot_time() >= next_kill:
                    next_kill += random.expovariate(self.kills_per_s)
                    number = random.choice(list(known))  # noqa: S311 - a victim
                    known[number].kill()
                    known.pop(number).join()
                    killed[number] = boot_time()
                    known[next_number] = self._start(folder, provider_id, next_number)
                    next_number += 1
                time.sleep(LOOK_S)
        finally:
            (folder / OVER).touch()
            self._stop(known.values())
        return killed

    def _is_done(self, folder: Path, killed: dict[int, float], took_s: float) -> bool:
        """When the time is over and there is something to judge; on a machine that is busy that takes longer."""
        if took_s < self.seconds:
            return False
        has_begun = any(file.stat().st_size for file in folder.iterdir())
        return (has_begun and (bool(killed) or not self.kills_per_s)) or took_s > self.seconds + PATIENCE_S

    def _start(self, folder: Path, provider_id: int, number: int) -> BaseProcess:
        # A fork: it need not import anything. It must not speak on a connection of ours.
        connections.close_all()
        process = get_context("fork").Process(target=work, args=(folder, provider_id, number, self.lease_s))
        process.start()
        return process

    def _stop(self, processes: Iterable[BaseProcess]) -> None:
        for process in list(processes):
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()

    def _look(self, provider_id: int) -> None:
        """What stands in the table: no token twice, and no more holders than addresses."""
        now = database_now()
        held = ProxyReservation.objects.open().filter(provider=provider_id, held_until__gt=now)
        ips = list(held.values_list("ip", flat=True))
        self.found.looks += 1
        self.found.double_holds += len(ips) - len(set(ips))

    # -- The ledgers ---------------------------------------------------------------------------------------------------

    def _judge(self, folder: Path, killed: dict[int, float]) -> None:
        holds = self._holds(folder)
        self.found.killed = len(killed)
        self.found.leases = len(holds)
        by_ip: dict[str, list[Hold]] = {}
        for hold in holds:
            by_ip.setdefault(hold.ip, []).append(hold)
        for of_one in by_ip.values():
            for one, other in pairwise(sorted(of_one, key=lambda hold: hold.since)):
                self.found.double_holds += other.since < one.until or other.fence <= one.fence
                died_at = killed.get(one.worker)
                if died_at is not None and one.until > died_at:
                    self.found.returned_s.append(max(0.0, other.since - died_at))

    def _holds(self, folder: Path) -> list[Hold]:
        """Of each lease the last line: since when, and until when its holder could believe in it."""
        holds: dict[tuple[str, int], Hold] = {}
        for file in folder.glob("*.ledger"):
            worker = int(file.stem)
            # A line that a killed worker did not finish says nothing: the one before it holds.
            for line in file.read_text("ascii").split("\n")[:-1]:
                kind, ip, fence, since, until, took_ms = line.split()
                if kind == "take":
                    self.found.reserve_ms.append(float(took_ms))
                self.found.renewals += kind == "renew"
                holds[ip, int(fence)] = Hold(ip, int(fence), worker, float(since), float(until))
        return list(holds.values())


def work(folder: Path, provider_id: int, number: int, lease_s: int) -> None:
    """A worker: take, hold for a while, renew now and then, give back, until it is over or a kill."""
    provider, holder = Provider.objects.get(pk=provider_id), Holder(process=f"stress {number}")
    database_now()
    ledger = os.open(folder / f"{number}.ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def enter(kind: str, held: Held, since: float, until: float, took_s: float = 0.0) -> None:
        os.write(ledger, f"{kind} {held.ip} {held.fence} {since!r} {until!r} {1000 * took_s:.3f}\n".encode("ascii"))

    misses = 0
    while not (folder / OVER).exists():
        fresh_since = shared_now() - timedelta(seconds=60)
        began = boot_time()
        held = reserve(provider, SITE, holder, fresh_since=fresh_since, ttl_s=lease_s)
        taken = boot_time()
        if held is None:
            misses += 1
            time.sleep(random.uniform(0, min(1.0, 0.1 * 2**misses)))  # noqa: S311 - as runs wait
            continue
        misses = 0
        until = began + lease_s
        # It counts as held from the moment at which the answer came, and until the time that was asked for is over.
        enter("take", held, taken, until, taken - began)
        if random.random() < 0.3:  # noqa: S311 - some work longer
            time.sleep(random.uniform(0, lease_s / 2))  # noqa: S311 - as above
            asked = boot_time()
            if held.token in renew([held], holder):
                until = asked + lease_s
                enter("renew", held, taken, until)
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - as above
        # Let go before the table says so.
        enter("release", held, taken, min(until, boot_time()))
        release(held.token, now=shared_now())
    connections.close_all()
