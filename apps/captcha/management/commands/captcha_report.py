"""`manage.py captcha_report`: what captchas cost on a day, by app, kind and solver."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.captcha.budget import today
from apps.captcha.models import Solve
from apps.captcha.money import plain
from apps.captcha.selectors import Line, as_json, report_of
from apps.core.clock import utc_now


class Command(BaseCommand):
    help = "What captchas cost on a day, by app, kind and solver: the ledger of the platform, added up."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--today", action="store_true", help="the day of DC_TIME_ZONE; the default")
        which.add_argument("--day", metavar="YYYY-MM-DD", help="another day")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        report = report_of(_day(options["day"]))
        if options["as_json"]:
            self.stdout.write(json.dumps(as_json(report), indent=2))
            return
        whole = report.all
        said = f"{report.day}: {whole.count} bought, {whole.ready} solved, {plain(whole.cost)} dollars"
        self.stdout.write(f"{said}, {plain(whole.estimated)} of them not confirmed by a solver.")
        for title, lines in (("app", report.apps), ("kind", report.kinds), ("solver", report.solvers)):
            self._table(title, lines)
        states = ", ".join(f"{count} {Solve.State(state).word}" for state, count in sorted(report.states.items()))
        self.stdout.write(f"\n{states or 'Nothing was bought.'}")

    def _table(self, title: str, lines: Sequence[Line]) -> None:
        if lines:
            self.stdout.write(f"\n{title:<50} {'bought':>7} {'solved':>7} {'dollars':>12}")
        for line in lines:
            self.stdout.write(f"{line.name:<50} {line.count:>7} {line.percent:>6}% {plain(line.cost):>12}")


def _day(typed: str | None) -> date:
    if typed is None:
        return today(utc_now())
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise CommandError(f'"{typed}" is no day: write it as 2026-03-01.') from None
