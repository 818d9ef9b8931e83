"""`manage.py polite_test`: see that processes keep their distance from a site."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.runtime.polite_check import Plan, check


class Command(BaseCommand):
    """Exits with 1 when two requests came too close together, or one came in spite of a Retry-After."""

    help = "Have several processes fetch from a server on this machine, and see that they keep their distance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workers", type=int, default=8, help="Processes.")
        parser.add_argument("--requests", type=int, default=8, help="Requests of each.")
        parser.add_argument("--delay", type=float, default=0.25, help="The least pause, in seconds.")
        parser.add_argument("--retry-after", type=int, default=7, help="What the 429 in between asks for, in seconds.")
        parser.add_argument(
            "--tolerance", type=float, default=0.0, help="Seconds that the machine may be late, on a busy one."
        )

    def handle(self, **options: Any) -> None:
        plan = Plan(
            workers=options["workers"],
            requests=options["requests"],
            delay_s=options["delay"],
            retry_after_s=options["retry_after"],
        )
        try:
            seen = check(plan)
        except RuntimeError as error:
            raise CommandError(str(error)) from None
        violations = seen.closer_than(plan.delay_s - options["tolerance"])
        is_quiet = seen.silence_s >= plan.retry_after_s - options["tolerance"]
        self.stdout.write(
            f"{len(seen.arrivals)} requests of {plan.workers} processes; the pause is {plan.delay_s:g} s at least.\n"
            f"smallest gap {seen.smallest_gap_s:.3f} s, violations = {violations}\n"
            f"after a 429 with Retry-After {plan.retry_after_s}: the next request came after {seen.silence_s:.3f} s"
        )
        if violations or not is_quiet:
            self.stderr.write("The processes did not keep their distance.")
            sys.exit(1)
