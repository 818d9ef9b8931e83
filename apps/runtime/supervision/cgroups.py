"""A control group (cgroup v2) for each run, where this process may make one.

The kernel then ends a whole tree at one word, and holds the limits of memory and processes itself. Such a place is: the
group that the platform's service was given for its own (systemd: `Delegate=yes` with `DelegateSubgroup=`), or the root
of the hierarchy this process sees (a container of its own).
"""

from __future__ import annotations

import errno
import os
import re
import time
from contextlib import suppress
from pathlib import Path

_MOUNT = re.compile(r"^\S+ (\S+) cgroup2 ", re.MULTILINE)
_CONTROLLERS = ("memory", "pids")
#: So often it is tried to remove a group that is busy, and so long is waited between.
REMOVALS, LEAVING_S = 50, 0.005


def find_base(mounts: Path = Path("/proc/self/mounts"), own: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The group that the runs' groups may be made in; None where there is none."""
    try:
        mount = _MOUNT.search(mounts.read_text())
        line = next(text for text in own.read_text().splitlines() if text.startswith("0::"))
    except (OSError, StopIteration):
        return None
    if mount is None or ".." in line:
        return None
    root = Path(mount[1])
    mine = root / line.removeprefix("0::").strip("/")
    candidates = [root] if mine == root else [mine.parent] if _is_delegated(mine.parent) else []
    return next((base for base in candidates if _can_be_used(base)), None)


def _is_delegated(group: Path) -> bool:
    with suppress(OSError):
        return os.getxattr(group, "user.delegate") == b"1"
    return False


def _can_be_used(base: Path) -> bool:
    for controller in _CONTROLLERS:
        with suppress(OSError):
            (base / "cgroup.subtree_control").write_text(f"+{controller}")
    trial = base / f"dc-trial-{os.getpid()}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return (trial / "cgroup.kill").exists()
    finally:
        trial.rmdir()


class ControlGroup:
    """The group of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holds_limits = False

    @classmethod
    def make(cls, base: str | None, run_id: str, *, memory: int | None, processes: int | None) -> ControlGroup | None:
        """A new group with its limits; None where it cannot be made, and for a run without such limits: a process
        that moves into a group is stopped by the kernel for some ten milliseconds."""
        if base is None or (memory is None and processes is None):
            return None
        group = cls.of(Path(base), run_id)
        try:
            group.path.mkdir(exist_ok=True)
        except OSError:
            return None
        group.holds_limits = group._limit("memory.max", memory) & group._limit("pids.max", processes)
        if memory is not None:
            group._limit("memory.oom.group", 1)
            group._limit("memory.swap.max", 0)
        return group

    @classmethod
    def of(cls, base: Path, run_id: str) -> ControlGroup:
        """The group of a run, whether it exists or not."""
        return cls(base / f"dc-run-{run_id}")

    def _limit(self, name: str, value: int | None) -> bool:
        if not (self.path / name).exists():
            return False
        try:
            (self.path / name).write_text("max" if value is None else str(value))
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """KILL every process of the group, those that are being forked included."""
        with suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")

    def ran_out_of(self) -> str:
        """The limit that the kernel enforced: memory, processes, or nothing."""
        if self._event("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._event("pids.events", "max") else ""

    def peak_memory(self) -> int | None:
        """Bytes; None where the kernel does not count them."""
        try:
            return int((self.path / "memory.peak").read_text())
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """The group is empty, or in a moment: a killed process may leave its group after it was seen to be gone."""
        for _ in range(REMOVALS):
            try:
                self.path.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    return
                time.sleep(LEAVING_S)
            else:
                return

    def _event(self, name: str, key: str) -> int:
        with suppress(OSError, ValueError):
            for line in (self.path / name).read_text().splitlines():
                if line.startswith(f"{key} "):
                    return int(line.split()[1])
        return 0
