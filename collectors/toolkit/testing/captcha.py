"""A solver of captchas that knows its answers."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from collectors.captcha_solver import SolvedCaptcha
from collectors.toolkit.captcha.errors import NoSolver, NotInDryRun

COST = Decimal("0.002")


class CannedCaptcha:
    """`context.captcha` of a test: hands out the solutions it was given, one after the other; an exception is raised.

    `tasks` are those it was asked to solve, `reports` what it was told of them: (solution, is correct).
    """

    def __init__(self, solutions: Iterable[str | Exception] = (), *, cost: Decimal = COST) -> None:
        self.tasks: list[Any] = []
        self.reports: list[tuple[str, bool]] = []
        self.dry_run = False
        self._solutions, self._cost = iter(list(solutions)), cost
        self._lock = threading.Lock()

    def solve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> SolvedCaptcha:
        """The next solution. Raises `NoSolver` when there are no more."""
        if self.dry_run and not in_dry_run:
            raise NotInDryRun("A dry run buys no captchas: solve(..., in_dry_run=True) does.")
        with self._lock:
            self.tasks.append(task)
            solution = next(self._solutions, None)
            number = len(self.tasks)
        if solution is None:
            raise NoSolver(f"The test has no solution for captcha {number}: hand it to CannedCaptcha.")
        if isinstance(solution, Exception):
            raise solution
        expires_at = datetime.now(UTC) + task.life if task.life else None
        return SolvedCaptcha(
            task_id=str(number),
            kind=task.kind,
            solution=solution,
            cost=self._cost,
            elapsed_s=0.0,
            expires_at=expires_at,
            provider="canned",
            solve_id=str(number),
        )

    async def asolve(self, task: Any, *, timeout_s: float | None = None, in_dry_run: bool = False) -> SolvedCaptcha:
        """See `solve`."""
        return self.solve(task, timeout_s=timeout_s, in_dry_run=in_dry_run)

    def report_correct(self, solved: SolvedCaptcha) -> bool:
        """Remembered in `reports`."""
        self.reports.append((solved.solution, True))
        return True

    def report_incorrect(self, solved: SolvedCaptcha) -> bool:
        """Remembered in `reports`."""
        self.reports.append((solved.solution, False))
        return True

    async def areport_correct(self, solved: SolvedCaptcha) -> bool:
        """See `report_correct`."""
        return self.report_correct(solved)

    async def areport_incorrect(self, solved: SolvedCaptcha) -> bool:
        """See `report_incorrect`."""
        return self.report_incorrect(solved)
