"""Who a process is: a pid alone is reused, (boot id, pid, start time) is not."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process on one machine, for ever."""

    node: str
    boot_id: str
    pid: int
    pid_started: int
    """Start time in clock ticks since the machine booted, as the kernel keeps it."""


@cache
def boot_id() -> str:
    """Which boot of this machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def node_name() -> str:
    """The name of this machine."""
    return socket.gethostname()


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the command in brackets, and may hold anything; a zombie is no longer a running process.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def identify(pid: int) -> ProcessIdentity:
    """The identity of a process of this machine. Raises `ProcessLookupError` when it is gone."""
    started = start_time(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return ProcessIdentity(node_name(), boot_id(), pid, started)


def identify_self() -> ProcessIdentity:
    """The identity of this process."""
    return identify(os.getpid())


def is_gone(identity: ProcessIdentity) -> bool:
    """Whether a process of this machine has ended, or the machine was booted since."""
    return identity.boot_id != boot_id() or start_time(identity.pid) != identity.pid_started
