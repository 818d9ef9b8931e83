"""What a dead shim leaves behind: it becomes the manager's, and the manager ends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from apps.runtime.supervision.tree import Process, child_pids, descendants, kill_all, look_at

PATIENCE_S = 5.0


class Orphanage:
    """The children of this process that nobody here has started.

    A shim begins a session of its own before it forks, and a process never comes back into the session of another:
    children in this process's own session are its own. `is_ours(pid)` names the others.
    """

    def __init__(self, is_ours: Callable[[int], bool]) -> None:
        self._is_ours = is_ours
        self._session = os.getsid(0)
        self._earlier: set[tuple[int, int]] = set()
        self.spare_present()

    def spare_present(self) -> None:
        """The children that are there now are nobody's orphans."""
        there = filter(None, map(look_at, child_pids(os.getpid())))
        self._earlier = {(process.pid, process.started) for process in there}

    def clear(self) -> int:
        """Kill every orphan with all that descends from it. How many are left: none, unless they hang in the kernel."""
        return kill_all(self._with_descendants, is_over=self._reap, patience_s=PATIENCE_S)

    def _orphans(self) -> Iterator[Process]:
        for pid in child_pids(os.getpid()):
            process = None if self._is_ours(pid) else look_at(pid)
            if (
                process is not None
                and process.session != self._session
                and (process.pid, process.started) not in self._earlier
            ):
                yield process

    def _with_descendants(self) -> Iterator[Process]:
        for orphan in self._orphans():
            yield orphan
            yield from descendants(orphan.pid)

    def _reap(self) -> bool:
        left = False
        for orphan in self._orphans():
            with suppress(ChildProcessError):
                left = os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOHANG) is None or left
        return not left


def nobody(_: int) -> bool:
    """Nobody is exempt."""
    return False
