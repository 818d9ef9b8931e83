"""How a run ended: what its processes left behind, weighed. Pure.

The frame `end` is what the collector said, the exit report is what its supervisor saw. SUCCEEDED takes both.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.runtime.models import State
from apps.runtime.supervision.spec import NO_JOURNAL, ExitReport
from apps.runtime.verdicts import PLATFORM

#: What the frame `end` may say about the row.
NUMBERS = frozenset(
    {
        "is_complete", "task_size", "solved", "failed", "rows_seen", "rows_inserted", "rows_archived", "rows_unchanged",
        "rows_deleted", "rows_quarantined", "request_count", "request_mean_ms", "request_p95_ms", "error_rate",
        "exception_count", "is_blocked", "error_category", "peak_memory_bytes", "cpu_s",
    }
)  # fmt: skip

LIMITS = {
    "memory": "It used more memory than its limit and was killed",
    "cpu": "It used more CPU time than its limit and was ended",
    "processes": "It had more processes than its limit and was killed",
    "lease": "Its manager was cut off from the platform, and its app is exclusive, so it was ended",
}
#: Who ended the run, where that was no fault of its app.
FAULTS_OF_THE_PLATFORM = ("manager_lost", "shim_lost", "lease")
MANAGER_LOST = "Its manager was lost"
LONGEST_CATEGORY = 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a run ends in, why, and its numbers."""

    state: State
    cause: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a run besides its last words."""

    stop_grace_s: float
    time_limit_s: float | None = None
    has_begun: bool = True
    is_manager_exiting: bool = False


def judge(end: Mapping[str, Any] | None, report: ExitReport | None, about: Circumstances) -> Verdict:
    """`end`: the data of the collector's last frame, if it wrote one. `report`: None when the supervisor wrote none."""
    state, cause = _weigh(end, report or ExitReport(reason="manager_lost"), about)
    if report is not None and report.survivors:
        cause = f"{cause} {report.survivors} of its processes outlived it and were killed.".strip()
    if report is not None and not report.is_verified:
        cause = f"{cause} The kernel could not end all of its processes.".strip()
    values = {name: value for name, value in (end or {}).items() if name in NUMBERS and value is not None}
    if "error_category" in values:
        values["error_category"] = str(values["error_category"])[:LONGEST_CATEGORY]
    if state == State.CRASHED and (report is None or report.reason in FAULTS_OF_THE_PLATFORM):
        values["error_category"] = PLATFORM
    if end is None and report is not None and report.code == NO_JOURNAL:
        values["error_category"] = PLATFORM  # a full disk, or a folder without permission
    if report is not None:
        values |= {"exit_code": report.code, "signal": report.signal}
        seen = {"peak_memory_bytes": report.peak_memory_bytes, "cpu_s": report.cpu_s}
        values |= {name: value for name, value in seen.items() if value is not None}
    return Verdict(state, cause, values)


def _weigh(end: Mapping[str, Any] | None, report: ExitReport, about: Circumstances) -> tuple[State, str]:
    said = State(end["state"]) if end is not None and end.get("state") in State.values else None
    words = str((end or {}).get("cause") or "")
    if said == State.SUCCEEDED and report.code == 0:
        return said, words
    if said is not None and said != State.SUCCEEDED:
        return _as_it_said(said, words, report, about)
    return _without_a_word(report, about, contradicted=said is not None)


def _as_it_said(said: State, words: str, report: ExitReport, about: Circumstances) -> tuple[State, str]:
    """The collector explained an end that was no success."""
    if said == State.STOPPED and report.reason == "manager_lost":
        return State.CRASHED, f"{MANAGER_LOST}. {words}".strip()
    if said == State.STOPPED and report.reason == "time_limit":
        return State.TIMED_OUT, _time_limit(about)
    if said == State.STOPPED and report.reason in LIMITS:
        return State.CRASHED, f"{LIMITS[report.reason]}."
    if said == State.STOPPED and about.is_manager_exiting:
        return State.STOPPED, f"Manager exit: {words}".strip(" :")
    return said, words


def _without_a_word(report: ExitReport, about: Circumstances, *, contradicted: bool) -> tuple[State, str]:
    """No last word, or one that the exit contradicts."""
    how, tail = _how(report), f": {report.tail}" if report.tail else "."
    prefix = "Manager exit: " if about.is_manager_exiting else ""
    match report.reason:
        case "stop" if not about.has_begun:
            return State.STOPPED, f"{prefix}Asked to stop before it had begun."
        case "stop":
            return State.STOPPED, f"{prefix}Asked to stop; {how}."
        case "stop_killed":
            return (
                State.STOPPED,
                f"{prefix}Asked to stop, and killed when its {about.stop_grace_s:g} s of grace were over.",
            )
        case "time_limit":
            return State.TIMED_OUT, _time_limit(about)
        case "memory" | "cpu" | "processes" | "lease":
            return State.CRASHED, f"{LIMITS[report.reason]}{tail}"
        case "manager_lost":
            return State.CRASHED, f"{MANAGER_LOST}; {how}." if how else f"{MANAGER_LOST}."
        case "shim_lost":
            return State.CRASHED, f"Its supervisor was lost, and its processes were killed{tail}"
    if report.signal is not None:
        return State.CRASHED, f"The process was ended by {_name(report.signal)}."
    if contradicted:
        return State.FAILED, f"It said that it had succeeded, but the process exited with code {report.code}{tail}"
    return State.FAILED, f"The process exited with code {report.code}{tail}"


def _how(report: ExitReport) -> str:
    if report.signal is not None:
        return f"the process was ended by {_name(report.signal)}"
    return f"the process exited with code {report.code}" if report.code is not None else ""


def _time_limit(about: Circumstances) -> str:
    return f"The time limit of {about.time_limit_s:g} s was reached." if about.time_limit_s else "Its time was up."


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
