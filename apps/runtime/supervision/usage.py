"""What a tree of processes uses, looked at from outside, and which limit it has passed."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import replace

from apps.runtime.supervision.cgroups import ControlGroup
from apps.runtime.supervision.lease import CUT_OFF_S, renewed_s_ago
from apps.runtime.supervision.spec import ExitReport, RunSpec
from apps.runtime.supervision.tree import descendants, memory_of

#: Looking at shared pages costs the kernel a walk through all of them, so it is done less often.
EXACT_EVERY = 8
#: What a run gets that was cut off from the platform and whose app is exclusive.
CUT_OFF_GRACE_S = 1.5


class Meter:
    """Samples all descendants of this process."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._samples = 0
        self.peak_memory: int | None = None

    def passed_limit(self) -> str:
        """Take a sample. Which limit is passed: lease, memory, cpu, processes, or none ("")."""
        if self._spec.lease_note is not None and renewed_s_ago(self._spec.lease_note) >= CUT_OFF_S:
            return "lease"
        alive = [process for process in descendants(os.getpid()) if not process.is_zombie]
        spec = self._spec
        if spec.process_limit is not None and len(alive) > spec.process_limit:
            return "processes"
        if spec.cpu_limit_s is not None and reaped_cpu_s() + sum(p.cpu_s for p in alive) > spec.cpu_limit_s:
            return "cpu"
        return "memory" if self._memory_is_passed([process.pid for process in alive]) else ""

    def _memory_is_passed(self, pids: list[int]) -> bool:
        """Resident sizes count shared pages twice and are never too low: the exact figure is asked when it matters."""
        limit = self._spec.memory_limit_bytes
        if self._samples % EXACT_EVERY and (limit is None or memory_of(pids, exact=False) <= limit):
            self._samples += 1
            return False
        self._samples += 1
        exact = memory_of(pids, exact=True)
        self.peak_memory = max(self.peak_memory or 0, exact)
        return limit is not None and exact > limit


def reaped_cpu_s() -> float:
    """CPU time of all descendants that have been waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def account_for(report: ExitReport, status: int | None, meter: Meter, group: ControlGroup | None) -> ExitReport:
    """The report with how the collector ended and what all of its processes used."""
    result = None if status is None else os.waitstatus_to_exitcode(status)
    signum = -result if result is not None and result < 0 else None
    peak = (group.peak_memory() if group else None) or meter.peak_memory or largest_resident() or None
    return replace(
        report,
        code=result if signum is None else None,
        signal=signum,
        reason=report.reason or (group.ran_out_of() if group and signum == signal.SIGKILL else ""),
        peak_memory_bytes=peak,
        cpu_s=round(reaped_cpu_s(), 3),
    )


def largest_resident() -> int:
    """The most memory that any of the waited-for children had resident, in bytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
