"""The forkserver: one warm process that forks a shim for each run in milliseconds.

It has Django set up, the models of every room imported, and no `main.py`, no thread, no connection. It forks and reaps;
all else is the shim's. `python -m apps.runtime.supervision.forkserver <socket> <entry>`.

manager -> forkserver   one packet {"n"} with two file descriptors: the shim's end of its lifeline, its order;
                        without the order, the shim waits for it
forkserver -> manager   {"ready": pid}; for each request {"n", "pid"} with the pidfd of the shim, or {"n", "error"}
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from apps.runtime.supervision.collector import call_entry
from apps.runtime.supervision.libc import name_process
from apps.runtime.supervision.shim import supervise

PACKET = 64 * 1024


class Forkserver:
    """Serves requests until the manager closes its end of the socket, or is gone."""

    def __init__(self, manager: socket.socket) -> None:
        self.manager = manager
        #: pidfd -> pid of the shims that have not been reaped. A pid of a child that is not reaped cannot be reused.
        self.shims: dict[int, int] = {}

    def serve(self) -> None:
        """Say that it is ready; fork on request, reap what has ended."""
        self._say({"ready": os.getpid()}, [])
        while True:
            poll = select.poll()
            poll.register(self.manager, select.POLLIN)
            for fd in self.shims:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd in self.shims:
                    self._reap(fd)
                elif not self._answer():
                    return

    def _answer(self) -> bool:
        """One request. False when there is no manager any more."""
        try:
            packet, fds, _, _ = socket.recv_fds(self.manager, PACKET, 2)
        except OSError:
            return False
        if not packet:
            return False
        number = json.loads(packet)["n"]
        try:
            pid = os.fork()
        except OSError as error:
            self._say({"n": number, "error": str(error)}, [])
        else:
            if pid == 0:
                self._be_a_shim(fds)
            pidfd = os.pidfd_open(pid)
            self.shims[pidfd] = pid
            # Before it may be reaped: the manager has to know exactly this process.
            self._say({"n": number, "pid": pid}, [pidfd])
        for fd in fds:
            os.close(fd)
        return True

    def _be_a_shim(self, fds: list[int]) -> None:
        start = 3
        for fd in sorted(fds):
            os.closerange(start, fd)
            start = fd + 1
        os.closerange(start, os.sysconf("SC_OPEN_MAX"))
        supervise(fds[0], fds[1] if len(fds) > 1 else None, call_entry)

    def _reap(self, pidfd: int) -> None:
        with suppress(ChildProcessError):
            os.waitpid(self.shims.pop(pidfd), 0)
        os.close(pidfd)

    def _say(self, message: dict[str, object], fds: list[int]) -> None:
        with suppress(OSError):
            socket.send_fds(self.manager, [json.dumps(message).encode()], fds)


def warm_up(entry: str) -> None:
    """Import what every collector needs, have its module `rehearse` if it can do so, and leave nothing behind that a
    fork must not share."""
    import django
    from django.db import connections
    from django.utils.module_loading import import_string

    django.setup()
    import_string(entry)
    rehearse = getattr(sys.modules[entry.rpartition(".")[0]], "rehearse", None)
    if rehearse is not None:
        rehearse()
    connections.close_all()
    threads = os.listdir("/proc/self/task")  # noqa: PTH208
    if len(threads) > 1:
        raise RuntimeError(
            f"Something that is imported at start-up started {len(threads) - 1} threads: no fork is safe."
        )
    # Objects that live until the end are looked at no more, so that their pages stay shared.
    gc.collect()
    gc.disable()
    gc.freeze()


def main(fd: int, entry: str) -> None:
    """Warm up and serve."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        name_process("dc-forkserver")
    with socket.socket(fileno=fd) as manager:
        warm_up(entry)
        Forkserver(manager).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
