"""Starting shims: a request to the forkserver where it is warm, a program of its own where it is not."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from apps.runtime.supervision.fleet import Fleet
from apps.runtime.supervision.host import Host
from apps.runtime.supervision.lifeline import Lifeline
from apps.runtime.supervision.spare import Spare
from apps.runtime.supervision.spec import CannotStart, ExitReport, RunSpec
from apps.runtime.supervision.warm import WarmProcess


@dataclass(slots=True, eq=False)
class SupervisedRun:
    """One run between its start and `Ended`."""

    spec: RunSpec
    lifeline: Lifeline | None = None
    """To the shim of the attempt that counts."""
    pid: int = 0
    pidfd: int = -1
    """Of the shim; -1 while it is not known."""
    process: subprocess.Popen[bytes] | None = None
    """The shim, where it is our child."""
    report: ExitReport | None = None
    trouble: str = ""
    is_asked: bool = False
    """Whether it is to stop."""
    overdue_at: float | None = None

    def say(self, kind: str, **values: str) -> None:
        """A word to the shim."""
        if self.lifeline is not None:
            self.lifeline.say(kind, **values)


class Starter:
    """Gives each run a lifeline and a shim at its other end.

    `on_message(run)` is called when the lifeline has something, `on_shim(run)` when the shim of a run is known: cold at
    once, warm when the forkserver has answered. `on_failure(run, why)` is called when neither way works after all.
    """

    def __init__(
        self,
        host: Host,
        selector: selectors.BaseSelector,
        *,
        is_warm: bool,
        is_ahead: bool,
        on_message: Callable[[SupervisedRun], None],
        on_shim: Callable[[SupervisedRun], None],
        on_failure: Callable[[SupervisedRun, str], None],
    ) -> None:
        self.fleet = Fleet(host, is_wanted=is_warm)
        self._host, self._selector = host, selector
        self._on_message, self._on_shim, self._on_failure = on_message, on_shim, on_failure
        self._numbers = count(1)
        #: Number of a request -> the run it is for. No shim answers to a request that is not here.
        self._asked: dict[int, SupervisedRun] = {}
        self._watched: WarmProcess | None = None
        self._is_ahead = is_ahead
        self._spare: Spare | None = None

    def start(self, run: SupervisedRun) -> None:
        """Start the shim of a run. Raises `CannotStart`."""
        warm = self._warm_process() if run.spec.warm else None
        if warm is None or not (self._start_spare(run) or self._start_warm(run, warm)):
            self._start_cold(run)

    def take_care(self) -> None:
        """Have the right forkserver, and none that does not answer."""
        if self._watched is not None and self._watched.is_overdue(time.monotonic()):
            self._lose(self._watched)
        warm = self._warm_process()
        is_idle = warm is not None and warm.is_ready and not warm.waiting
        if warm is not None and is_idle and self._is_ahead and self._spare is None:
            self._spare = Spare.ask(warm, next(self._numbers))

    def cut(self, run: SupervisedRun) -> None:
        """Let go of the lifeline. A shim that is there stops its run, and one that was not let go starts nothing."""
        if run.lifeline is not None:
            with suppress(KeyError):
                self._selector.unregister(run.lifeline)
            run.lifeline.close()
            run.lifeline = None
        for number in [number for number, asked in self._asked.items() if asked is run]:
            del self._asked[number]

    def pids(self) -> set[int]:
        """The forkserver, and the shim that waits for a run."""
        return self.fleet.pids() | ({self._spare.pid} if self._spare is not None else set())

    def close(self) -> None:
        """End the forkserver."""
        self._watch(None)
        self.fleet.close()
        self._dismiss_spare()

    # -- The two ways -------------------------------------------------------------------------------------------------

    def _start_spare(self, run: SupervisedRun) -> bool:
        """Give the run to the shim that waits for one."""
        spare = self._spare
        if spare is None or spare.pidfd < 0:
            return False
        order = self._host.order(run.spec).as_file()
        try:
            spare.lifeline.hand("go", order)
        except OSError:
            self._dismiss_spare()
            return False
        finally:
            os.close(order)
        self._spare = None
        self._attach(run, spare.lifeline)
        run.pid, run.pidfd = spare.pid, spare.pidfd
        self._on_shim(run)
        return True

    def _dismiss_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.dismiss()

    def _start_warm(self, run: SupervisedRun, warm: WarmProcess) -> bool:
        number = next(self._numbers)
        order = self._host.order(run.spec).as_file()
        ours, theirs = Lifeline.pair()
        try:
            with theirs:
                warm.ask(number, theirs, order)
        except OSError:
            ours.close()
            return False
        finally:
            os.close(order)
        self._asked[number] = run
        self._attach(run, ours)
        return True

    def _start_cold(self, run: SupervisedRun) -> None:
        order = self._host.order(run.spec).as_file()
        ours, theirs = Lifeline.pair()
        try:
            with theirs:
                fds = [theirs.fileno(), order]
                run.process = subprocess.Popen(
                    [sys.executable, "-m", "apps.runtime.supervision.shim", *map(str, fds)],
                    cwd=self._host.root,
                    env=self._host.env(DC_ONLY_ROOM=run.spec.app_code),
                    stdin=subprocess.DEVNULL,
                    pass_fds=fds,
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise CannotStart(f"The process could not be started: {error}.") from error
        finally:
            os.close(order)
        self._attach(run, ours)
        self._know(run, run.process.pid, os.pidfd_open(run.process.pid))

    def _attach(self, run: SupervisedRun, lifeline: Lifeline) -> None:
        run.lifeline = lifeline
        self._selector.register(lifeline, selectors.EVENT_READ, lambda: self._on_message(run))
        if run.is_asked:
            # Said to an earlier attempt.
            run.say("stop")

    def _know(self, run: SupervisedRun, pid: int, pidfd: int) -> None:
        """The shim is known from here on, and may start its collector."""
        run.pid, run.pidfd = pid, pidfd
        run.say("go")
        self._on_shim(run)

    # -- The forkserver -----------------------------------------------------------------------------------------------

    def _warm_process(self) -> WarmProcess | None:
        warm = self.fleet.in_service()
        if self._spare is not None and self._spare.warm is not warm:
            self._dismiss_spare()
        self._watch(warm)
        return warm

    def _watch(self, warm: WarmProcess | None) -> None:
        if warm is self._watched:
            return
        if self._watched is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(self._watched.socket)
        self._watched = warm
        if warm is not None:
            self._selector.register(warm.socket, selectors.EVENT_READ, lambda: self._hear(warm))

    def _hear(self, warm: WarmProcess) -> None:
        if warm is not self._watched:
            return
        answers, is_gone = warm.answers()
        for answer in answers:
            if self._spare is not None and answer.number == self._spare.number:
                self._spare.pid, self._spare.pidfd = answer.pid, answer.pidfd
                if answer.pidfd < 0:
                    self._dismiss_spare()
                continue
            run = self._asked.pop(answer.number, None)
            if run is None:
                if answer.pidfd >= 0:
                    os.close(answer.pidfd)
            elif answer.pidfd >= 0:
                self._know(run, answer.pid, answer.pidfd)
            else:
                self._try_cold(run)
        if is_gone:
            self._lose(warm)

    def _lose(self, warm: WarmProcess) -> None:
        """Its shims go on. What it has not answered is started cold."""
        self._watch(None)
        self.fleet.lose(warm)
        self._dismiss_spare()
        for run in list(self._asked.values()):
            self._try_cold(run)

    def _try_cold(self, run: SupervisedRun) -> None:
        self.cut(run)
        try:
            self._start_cold(run)
        except (CannotStart, OSError) as error:
            self._on_failure(run, str(error))
