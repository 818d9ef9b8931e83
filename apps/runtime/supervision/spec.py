"""What goes into the supervision of a run and what comes out of it. Plain values: no Django, nothing heavy."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

#: Exit code of a collector that could open no journal, from sysexits.h: EX_IOERR.
NO_JOURNAL = 74


class CannotStart(Exception):
    """No process can be started for a run; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One run, as the forkserver, the shim and the collector need to know it. Travels as JSON."""

    run_id: str
    app_id: int
    app_code: str
    epoch: int
    args: dict[str, Any]
    limit: int | None = None
    dry_run: bool = False
    stop_grace_s: float = 10.0
    time_limit_s: float | None = None
    """Wall time. The collector is asked to end then, and killed when its grace is over as well."""
    memory_limit_bytes: int | None = None
    cpu_limit_s: int | None = None
    process_limit: int | None = None
    lease_note: str | None = None
    """Of an exclusive app: where its manager notes that it holds its lease (lease.py)."""
    schedule_version: int = 0
    """Of the app, when the run was claimed: what a run that sets its next run has seen."""
    warm: bool = True
    """Start as a fork of a process that has everything imported; else as a program of its own."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """The credentials of the app. A spec travels in files without a name only, and is logged nowhere."""

    def as_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> RunSpec:
        """The spec in a text of `as_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitReport:
    """How a run's processes ended. When there is a report, none of them is alive (unless `is_verified` is false)."""

    code: int | None = None
    signal: int | None = None
    reason: str = ""
    """Who ended it: "" (nobody), stop, stop_killed, time_limit, memory, cpu, processes, manager_lost, shim_lost."""
    survivors: int = 0
    """Processes that outlived the collector and were killed."""
    is_verified: bool = True
    """Whether nothing of the run is alive. False only for processes that the kernel itself cannot end."""
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    tail: str = ""
    """The last line the run wrote to stderr, else to stdout."""


@dataclass(frozen=True, slots=True)
class Started:
    """The collector of a run has a process."""

    run_id: str
    pid: int
    pid_started: int
    limits_by: str
    """What holds the limits: "cgroup" or "shim"."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a stop has come: asked, grace, killed, verified."""

    run_id: str
    stage: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The processes of a run are gone. The last event of a run."""

    run_id: str
    report: ExitReport


Event: TypeAlias = Started | Stage | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a shim is told: the run, and how it is started and written down here."""

    spec: RunSpec
    entry: str
    """Dotted path of the function that a warm collector calls with the spec."""
    command: list[str]
    """The program that a cold collector is; it reads the spec from its stdin."""
    journal_root: str
    secrets: list[str]
    fsync: Literal["second", "line"] = "second"
    cgroup: str | None = None
    """The folder of the control group that the run's own is made in."""

    def as_file(self) -> int:
        """A file descriptor without a name, holding this order at its beginning: any length, and no pipe to fill."""
        fd = os.memfd_create("order")
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(self.as_json())
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    @classmethod
    def from_file(cls, fd: int) -> Order:
        """The order in a file of `as_file`, which is closed."""
        with os.fdopen(fd, "rb") as file:
            return cls.from_json(file.read())

    def as_json(self) -> bytes:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Order:
        """The order in a text of `as_json`."""
        values = json.loads(text)
        return cls(**{**values, "spec": RunSpec(**values["spec"])})
