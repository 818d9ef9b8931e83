"""Finding and ending process trees, without ever touching a process that is somebody else's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process as /proc shows it. A pid is reused, a pid with its start time is not."""

    pid: int
    started: int
    """In clock ticks since boot."""
    session: int
    cpu_s: float
    """Its own CPU time and that of the children it has waited for."""
    is_zombie: bool


def look_at(pid: int) -> Process | None:
    """The process with this pid; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib is slow, and this runs all the time
            stat = file.read()
    except OSError:
        return None
    # The second field is the command in brackets, and may hold anything.
    fields = stat[stat.rindex(b")") + 2 :].split()
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[19]), int(fields[3]), ticks / TICKS, fields[0] in (b"Z", b"X"))


def child_pids(pid: int) -> list[int]:
    """The pids of the children of a process, whichever of its threads forked them."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - as above
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                found.extend(map(int, file.read().split()))
    return found


def descendants(pid: int) -> Iterator[Process]:
    """Every process below `pid`, parents before their children, zombies included."""
    waiting = child_pids(pid)
    while waiting:
        child = waiting.pop()
        process = look_at(child)
        if process is not None:
            yield process
            waiting += child_pids(child)


def send(process: Process, signum: int) -> bool:
    """Signal exactly this process. False when it is gone, whoever has its pid now."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # Start times only grow: when the pid shows ours now, the descriptor, which is older, is not of a later process.
        now = look_at(process.pid)
        if now is None or now.started != process.started:
            return False
        signal.pidfd_send_signal(fd, signum)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def kill_all(find: Callable[[], Iterable[Process]], *, is_over: Callable[[], bool], patience_s: float) -> int:
    """KILL what `find` finds, again and again: new processes may appear meanwhile, and /proc is no snapshot.

    `is_over` reaps, and says whether nothing is left. Returns how many are left when the patience is over: processes
    that hang in the kernel.
    """
    deadline = time.monotonic() + patience_s
    pause = 0.0005
    while True:
        found = list(find())
        for process in found:
            send(process, signal.SIGKILL)
        if is_over():
            return 0
        if time.monotonic() > deadline:
            return max(1, len(found))
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def memory_of(pids: Iterable[int], *, exact: bool) -> int:
    """Bytes of memory of some processes: their resident sizes, or `exact`, with shared pages shared out (PSS)."""
    return sum(map(_pss if exact else _resident, pids))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _pss(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0
