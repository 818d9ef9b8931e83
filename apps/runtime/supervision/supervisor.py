"""The manager's side: has shims started, hears what they say, learns at once when one is gone."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from apps.runtime.supervision.cgroups import ControlGroup
from apps.runtime.supervision.host import Command, Host, by_manage_py
from apps.runtime.supervision.libc import adopt_orphans
from apps.runtime.supervision.orphans import Orphanage, nobody
from apps.runtime.supervision.spec import CannotStart, Ended, Event, ExitReport, RunSpec, Stage, Started
from apps.runtime.supervision.starter import Starter, SupervisedRun

log = structlog.get_logger("supervision")

#: What a shim may take beyond the grace. One that takes longer hangs: it is killed, and the manager clears up.
SHIM_PATIENCE_S = 20.0
#: How often deadlines and the forkserver are looked after while nothing happens.
CARE_S = 1.0
#: How long after a start the next shim is forked ahead: not while the run that was started needs the processor most.
SPARE_AFTER_S = 0.05


class Supervisor:
    """Starts, stops and watches the processes of runs. Lives in the manager; all calls come from one thread.

    `entry` is the dotted path of a function that a warm collector calls with its `RunSpec`; it returns the exit code.
    `command` makes the program of a cold collector, which finds the spec as JSON on its stdin. `is_ours(pid)` says
    which children of this process in a session of their own are not to be taken for the leavings of a dead shim.
    Without `warm` there is no forkserver, without `ahead` no shim that waits for the next run.
    """

    def __init__(
        self,
        *,
        journal_root: Path,
        entry: str = "apps.runtime.collector.run_spec",
        command: Command = by_manage_py,
        is_ours: Callable[[int], bool] = nobody,
        warm: bool = True,
        ahead: bool = True,
    ) -> None:
        adopt_orphans()
        self._host = Host.here(journal_root=journal_root, entry=entry, command=command)
        self._selector = selectors.DefaultSelector()
        self._starter = Starter(
            self._host,
            self._selector,
            is_warm=warm,
            is_ahead=ahead,
            on_message=self._hear,
            on_shim=self._watch_shim,
            on_failure=self._never_started,
        )
        self._orphanage = Orphanage(lambda pid: pid in self._own_pids() or is_ours(pid))
        self._runs: dict[str, SupervisedRun] = {}
        self._events: list[Event] = []
        self._next_care = 0.0

    def start(self, spec: RunSpec) -> None:
        """Have the run started; `Started` follows, or `Ended`. Raises `CannotStart`."""
        if spec.run_id in self._runs:
            raise CannotStart(f"The run {spec.run_id} is there already.")
        run = SupervisedRun(spec)
        try:
            self._starter.start(run)
        except OSError as error:
            self._forget(run)
            raise CannotStart(f"The process could not be started: {error}.") from error
        self._runs[spec.run_id] = run
        self._next_care = min(self._next_care, time.monotonic() + SPARE_AFTER_S)

    def stop(self, run_id: str, *, why: str = "stop") -> None:
        """TERM to all processes of the run, KILL when its grace is over; `Ended` follows. Again: nothing happens."""
        run = self._runs.get(run_id)
        if run is None or run.is_asked:
            return
        run.is_asked = True
        run.overdue_at = time.monotonic() + run.spec.stop_grace_s + SHIM_PATIENCE_S
        self._events.append(Stage(run_id, "asked"))
        run.say("stop", why=why)

    def kill(self, run_id: str) -> None:
        """KILL to all processes of the run, without grace; `Ended` follows."""
        run = self._runs.get(run_id)
        if run is not None:
            run.is_asked = True
            run.overdue_at = time.monotonic() + SHIM_PATIENCE_S
            run.say("kill")

    def running(self) -> set[str]:
        """The runs that have not ended."""
        return set(self._runs)

    def wait(self, timeout_s: float, *, wake: int | None = None) -> list[Event]:
        """What has happened; waits for it, for `timeout_s` at most or until the file descriptor `wake` is readable."""
        if wake is not None:
            self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            return self._wait(time.monotonic() + timeout_s)
        finally:
            if wake is not None:
                self._selector.unregister(wake)

    def close(self) -> None:
        """End the forkserver. The runs must have ended; one that has not is stopped by its shim."""
        for run in list(self._runs.values()):
            self._forget(run)
        self._starter.close()
        self._selector.close()

    # -- Waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, until: float) -> list[Event]:
        while True:
            self._take_care()
            pause = 0.0 if self._events else max(0.0, min(until, self._next_care) - time.monotonic())
            is_woken = False
            for key, _ in self._selector.select(pause):
                if key.data is None:
                    is_woken = True
                else:
                    key.data()
            if self._events or is_woken or time.monotonic() >= until:
                events, self._events = self._events, []
                return events

    def _take_care(self) -> None:
        """What no file descriptor tells: deadlines, and whether the forkserver is the right one."""
        now = time.monotonic()
        if now < self._next_care:
            return
        self._next_care = now + CARE_S
        self._starter.take_care()
        for run in self._runs.values():
            if run.overdue_at is not None and now >= run.overdue_at and run.pidfd >= 0:
                log.warning("shim.hangs", runtime=run.spec.run_id, pid=run.pid)
                with suppress(OSError):
                    signal.pidfd_send_signal(run.pidfd, signal.SIGKILL)

    # -- What shims say -----------------------------------------------------------------------------------------------

    def _hear(self, run: SupervisedRun) -> None:
        line = run.lifeline
        if line is None:
            return
        for message in line.hear():
            self._note(run, message)
        if line.is_cut:
            with suppress(KeyError):
                self._selector.unregister(line)

    def _note(self, run: SupervisedRun, message: dict[str, Any]) -> None:
        run_id = run.spec.run_id
        match message["kind"]:
            case "started":
                self._events.append(Started(run_id, message["pid"], message["pid_started"], message["limits_by"]))
            case "stage":
                self._events.append(Stage(run_id, message["stage"]))
            case "ended":
                run.report = ExitReport(**message["report"])
            case "broken":
                run.trouble = message["error"]

    def _watch_shim(self, run: SupervisedRun) -> None:
        self._selector.register(run.pidfd, selectors.EVENT_READ, lambda: self._shim_is_gone(run))

    def _shim_is_gone(self, run: SupervisedRun) -> None:
        self._hear(run)
        if run.process is not None:
            run.process.wait()
        else:
            # Ours to reap only when its forkserver died before it.
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, run.pidfd, os.WEXITED)
        report = run.report or ExitReport(signal=signal.SIGKILL, reason="shim_lost", tail=run.trouble)
        self._forget(run)
        if run.report is None or not report.is_verified:
            report = replace(report, is_verified=self._clear_up(run.spec.run_id))
        self._events.append(Ended(run.spec.run_id, report))

    def _clear_up(self, run_id: str) -> bool:
        """End what a dead shim has left; whether nothing of it is alive."""
        group = ControlGroup.of(self._host.cgroup, run_id) if self._host.cgroup else None
        if group is not None:
            group.kill()
        left = self._orphanage.clear()
        if group is not None:
            group.remove()
        return left == 0

    def _never_started(self, run: SupervisedRun, why: str) -> None:
        self._forget(run)
        self._events.append(Ended(run.spec.run_id, ExitReport(reason="shim_lost", tail=why)))

    def _forget(self, run: SupervisedRun) -> None:
        self._starter.cut(run)
        if run.pidfd >= 0:
            self._selector.unregister(run.pidfd)
            os.close(run.pidfd)
            run.pidfd = -1
        self._runs.pop(run.spec.run_id, None)

    def _own_pids(self) -> set[int]:
        return self._starter.pids() | {run.pid for run in self._runs.values()}
