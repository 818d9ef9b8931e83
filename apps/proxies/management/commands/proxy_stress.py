"""`manage.py proxy_stress`: processes that take, renew, give back and are killed, and a look at who holds what."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.proxies.stress import Stress


class Command(BaseCommand):
    help = (
        "Prove on this database that no two processes hold one address for one site: workers take and give back "
        "leases, and some are killed while they hold one. Uses a provider of its own, which is deleted afterwards."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=64, help="processes that take addresses (64)")
        parser.add_argument("--ips", type=int, default=20, help="addresses that there are (20)")
        parser.add_argument("--seconds", type=float, default=60.0, help="for so long (60)")
        parser.add_argument("--lease-s", type=int, default=3, help="so long a lease lasts without renewal (3)")
        parser.add_argument("--kills-per-s", type=float, default=2.0, help="workers killed by kill -9 (2)")

    def handle(
        self, *_: Any, workers: int, ips: int, seconds: float, lease_s: int, kills_per_s: float, **__: Any
    ) -> None:
        if min(workers, ips, lease_s) < 1 or seconds <= 0:
            raise CommandError("There have to be workers, addresses, a second, and leases that last at least one.")
        try:
            found = Stress(workers=workers, ips=ips, seconds=seconds, lease_s=lease_s, kills_per_s=kills_per_s).run()
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The platform's database cannot be used: {reason}") from None
        for line in found.lines():
            self.stdout.write(line)
        if found.double_holds or not found.leases:
            raise CommandError(found.verdict)
