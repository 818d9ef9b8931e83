"""The shim: one small process between the manager and the processes of one run.

It starts the collector, reads what it prints, enforces its limits, stops it with all that descends from it, and says
how it ended. It is a child subreaper, so no descendant can leave; when it has no child left, nothing of the run lives.
It has no Django: a cold start (`python -m apps.runtime.supervision.shim`) takes milliseconds, a warm one is a fork.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from dataclasses import asdict, replace
from typing import NoReturn

from apps.runtime.supervision.cgroups import ControlGroup
from apps.runtime.supervision.collector import Become, Child, exec_command
from apps.runtime.supervision.diary import Diary
from apps.runtime.supervision.lifeline import Lifeline
from apps.runtime.supervision.output import Output
from apps.runtime.supervision.settling import settle
from apps.runtime.supervision.spec import ExitReport, Order
from apps.runtime.supervision.tree import descendants, kill_all, look_at, send
from apps.runtime.supervision.usage import CUT_OFF_GRACE_S, Meter, account_for

#: How often limits are looked at, and how often usage is where there are none.
LIMITS_EVERY_S, USAGE_EVERY_S = 0.25, 1.0
#: A run whose manager is gone ends within this time, before another manager may think of starting it again.
ORPHAN_GRACE_S = 10.0
#: A collector that knows its time limit ends by itself; it gets so long before it is asked to.
OWN_TIME_LIMIT_S = 0.5
#: What ends together with its collector is no survivor.
FOLLOW_S = 0.1
DRAIN_S = 2.0
KILL_PATIENCE_S = 10.0


class Shim:
    """Supervises one run, from `go` to `ended`."""

    def __init__(self, order: Order, lifeline: Lifeline, become: Become, child: Child | None = None) -> None:
        """`child`: what is to become the collector, where it was forked already."""
        self.order, self.spec = order, order.spec
        self.lifeline = lifeline
        self.child = child
        self.become = become
        self.reason = ""
        self.status: int | None = None
        self.meter = Meter(self.spec)
        self._ask_at: float | None = None
        self._kill_at: float | None = None
        self._left = 0

    def run(self) -> None:
        """Wait for `go`; then start, watch, clear away, report."""
        if self._is_let_go():
            self._start()
            self._watch()
            self._end()

    def _is_let_go(self) -> bool:
        """Nothing is started before the manager knows who would be starting it."""
        poll = select.poll()
        poll.register(self.lifeline, select.POLLIN)
        while True:
            kinds = [message["kind"] for message in self.lifeline.hear()]
            if "stop" in kinds or "kill" in kinds:
                self.lifeline.say("ended", report=asdict(ExitReport(reason="stop")))
                return False
            if "go" in kinds:
                return True
            if self.lifeline.is_cut:
                return False
            poll.poll()

    def _start(self) -> None:
        spec = self.spec
        memory, processes = spec.memory_limit_bytes, spec.process_limit
        self.group = ControlGroup.make(self.order.cgroup, spec.run_id, memory=memory, processes=processes)
        child = self.child if self.child is not None and self.child.is_alive() else Child(self.become)
        self.pid, self.exit_fd = child.pid, child.exit_fd
        child.begin(self.order, self.group.path if self.group else None)
        found = look_at(self.pid)
        by = "cgroup" if self.group and self.group.holds_limits else "shim"
        self.lifeline.say("started", pid=self.pid, pid_started=found.started if found else 0, limits_by=by)
        now = time.monotonic()
        has_limits = any((memory, processes, spec.cpu_limit_s, spec.lease_note))
        self._sample_every = LIMITS_EVERY_S if has_limits else USAGE_EVERY_S
        self._next_sample = now + self._sample_every
        if spec.time_limit_s is not None:
            self._ask_at = now + spec.time_limit_s + min(OWN_TIME_LIMIT_S, spec.stop_grace_s)
        # Only now: the collector is on its way.
        self.diary = Diary(self.order)
        self.output = Output(child.out, child.err, self.diary.line)

    def _watch(self) -> None:
        """Until the collector has ended."""
        while self.status is None and not self._left:
            self._wait()
            for message in self.lifeline.hear():
                self._obey(message)
            now = time.monotonic()
            if self.lifeline.is_cut:
                # Whatever grace it has been given already: a run without a manager ends before the lease does.
                self._ask_to_stop("manager_lost", min(self.spec.stop_grace_s, ORPHAN_GRACE_S))
            if self._ask_at is not None and now >= self._ask_at and not self.reason:
                # Its grace began at the limit.
                late = now - self._ask_at + min(OWN_TIME_LIMIT_S, self.spec.stop_grace_s)
                self._ask_to_stop("time_limit", self.spec.stop_grace_s - late)
            if now >= self._next_sample:
                self._next_sample = now + self._sample_every
                self._check_limits()
                self.diary.sync()
            self._collect()
            if self._kill_at is not None and now >= self._kill_at and self.status is None:
                self.reason = "stop_killed" if self.reason == "stop" else self.reason
                self._kill()

    def _wait(self) -> None:
        now = time.monotonic()
        poll = select.poll()
        poll.register(self.exit_fd, select.POLLIN)
        if not self.lifeline.is_cut:
            poll.register(self.lifeline, select.POLLIN)
        for fd in self.output.open_fds(now):
            poll.register(fd, select.POLLIN)
        moments = [self._next_sample, *(m for m in (self._kill_at, self._ask_at) if m is not None and m > now)]
        pause = self.output.pause_s(now)
        moments += [] if pause is None else [now + pause]
        ready = {fd for fd, _ in poll.poll(max(0.0, min(moments) - now) * 1000 + 1)}
        for fd in self.output.open_fds(now):
            if fd in ready:
                self.output.read(fd, now)

    def _obey(self, message: dict[str, str]) -> None:
        if message["kind"] == "stop":
            self._ask_to_stop("stop", self.spec.stop_grace_s)
        elif message["kind"] == "kill":
            self.reason = "stop_killed" if self.reason in ("", "stop") else self.reason
            self._kill()

    def _ask_to_stop(self, reason: str, grace_s: float) -> None:
        """TERM to every process of the run, the collector first; once, because a second TERM means "at once"."""
        if self.reason:
            if self._kill_at is not None and reason == "manager_lost":
                self._kill_at = min(self._kill_at, time.monotonic() + grace_s)
            return
        self.reason = reason
        self._kill_at = time.monotonic() + max(0.0, grace_s)
        for process in sorted(descendants(os.getpid()), key=lambda process: process.pid != self.pid):
            send(process, signal.SIGTERM)
        self.lifeline.say("stage", stage="grace")

    def _check_limits(self) -> None:
        passed = self.meter.passed_limit() or (self.group.ran_out_of() if self.group else "")
        if not passed or self.reason:
            return
        if passed in ("cpu", "lease"):
            self._ask_to_stop(passed, self.spec.stop_grace_s if passed == "cpu" else CUT_OFF_GRACE_S)
        else:
            # More of it with every moment: there is no time for grace.
            self.reason = passed
            self._kill()

    def _kill(self) -> None:
        """KILL until nothing of the run is left."""
        if self.reason:
            self.lifeline.say("stage", stage="killed")
        if self.group is not None:
            self.group.kill()
        me = os.getpid()
        self._left = kill_all(lambda: descendants(me), is_over=self._collect, patience_s=KILL_PATIENCE_S)

    def _collect(self) -> bool:
        """Reap what has ended. True when this process has no child left, and so nothing of the run is alive."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.pid:
                self.status = status

    def _end(self) -> None:
        survivors = self._clear_survivors()
        if self.reason and not self._left:
            self.lifeline.say("stage", stage="verified")
        self.output.drain(DRAIN_S)
        report = self._report(survivors)
        self.diary.exit(report)
        if self.group is not None:
            self.group.remove()
        self.lifeline.say("ended", report=asdict(report))

    def _clear_survivors(self) -> int:
        """What outlived the collector is counted and killed."""
        deadline = time.monotonic() + FOLLOW_S
        while not (is_over := self._collect()) and time.monotonic() < deadline:
            time.sleep(0.002)
        if is_over or self._left:
            return self._left
        survivors = sum(1 for process in descendants(os.getpid()) if not process.is_zombie)
        self._kill()
        return survivors

    def _report(self, survivors: int) -> ExitReport:
        report = ExitReport(reason=self.reason, survivors=survivors, is_verified=not self._left)
        tail = self.diary.redacted(self.output.tail)
        return replace(account_for(report, self.status, self.meter, self.group), tail=tail)


def supervise(lifeline: int, order: int | None, become: Become) -> NoReturn:
    """Be a shim in this process, which is thrown away afterwards. Without an order it waits for its run."""
    line = Lifeline(socket.socket(fileno=lifeline))
    child: Child | None = None
    try:
        settle()
        if order is None:
            child = Child(become)
            order = line.wait_for_fd()
        if order is not None:
            Shim(Order.from_file(order), line, become, child).run()
        elif child is not None:
            child.dismiss()
    except BaseException as error:  # noqa: BLE001 - the manager is told, and kills what is left
        line.say("broken", error=f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    supervise(int(sys.argv[1]), int(sys.argv[2]), exec_command)
