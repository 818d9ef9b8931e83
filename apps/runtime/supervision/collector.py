"""The new process between fork and the collector's own code.

It is a clean process first, and then waits to be told which run it is: a shim may have forked it ahead of its run.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from apps.runtime.supervision.libc import die_with_parent
from apps.runtime.supervision.spec import Order, RunSpec

#: What the kernel adds when it looks for a process to end for want of memory: collectors before the platform.
OOM_SCORE = "500"
#: The first file descriptor behind the standard ones.
_TOLD = 3

Become = Callable[[Order], int]
"""Turns this process into the collector. Returns an exit code, if at all."""


class Child:
    """The shim's side of it: the process, the pipes it prints to, and the one it is told its run through."""

    def __init__(self, become: Become) -> None:
        self.out, stdout = os.pipe()
        self.err, stderr = os.pipe()
        told, self._tell = os.pipe()
        shim = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _enter(become, stdout=stdout, stderr=stderr, told=told, shim=shim)
        for fd in (stdout, stderr, told):
            os.close(fd)
        self.exit_fd = os.pidfd_open(self.pid)

    def begin(self, order: Order, cgroup: Path | None) -> None:
        """Let it become the collector of a run, in a control group where there is one."""
        # One that is dead already is found to be so by whoever watches it.
        with suppress(BrokenPipeError), os.fdopen(self._tell, "wb") as file:
            file.write(str(cgroup or "").encode() + b"\0" + order.as_json())

    def dismiss(self) -> None:
        """There is no run for it: it ends, and is reaped."""
        os.close(self._tell)
        os.waitpid(self.pid, 0)

    def is_alive(self) -> bool:
        """Whether it still waits; one that does not is reaped here."""
        return os.waitpid(self.pid, os.WNOHANG)[0] == 0


def _enter(become: Become, *, stdout: int, stderr: int, told: int, shim: int) -> NoReturn:
    """Be a clean process, then the collector; called in the child right after the fork. It never returns."""
    code = 1
    try:
        _detach(stdout, stderr, told, shim)
        code = become(_wait_for_order())
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a copy of the shim
        traceback.print_exc()
    finally:
        _leave(code)


def _wait_for_order() -> Order:
    with os.fdopen(_TOLD, "rb") as file:
        cgroup, _, order = file.read().partition(b"\0")
    if not order:
        os._exit(0)
    if cgroup:
        (Path(cgroup.decode()) / "cgroup.procs").write_text("0")
    return Order.from_json(order)


def _detach(stdout: int, stderr: int, told: int, shim: int) -> None:
    # First of all: what goes wrong from here on is said where it is read.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    # A group of its own: what a collector sends to its group does not reach the shim.
    os.setpgid(0, 0)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    # The lifeline, the forkserver's socket, other runs: nothing of it is the collector's.
    os.dup2(told, _TOLD)
    os.closerange(_TOLD + 1, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        with suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _leave(code: int) -> NoReturn:
    """As the interpreter ends: threads are waited for, exit functions called. Then without a way back."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(code & 0xFF)


def exec_command(order: Order) -> int:
    """Become a program of its own, with the spec on its stdin."""
    fd = os.memfd_create("spec", 0)
    os.write(fd, order.spec.as_json().encode())
    os.lseek(fd, 0, os.SEEK_SET)
    os.dup2(fd, 0)
    os.close(fd)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(order.command[0], order.command)  # noqa: S606 - no shell is what is wanted


def call_entry(order: Order) -> int:
    """Call the entry function in this fork of a warm process."""
    from django.utils.module_loading import import_string

    gc.enable()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    entry: Callable[[RunSpec], int] = import_string(order.entry)
    try:
        return entry(order.spec)
    except SystemExit as end:
        return _exit_code(end)
    except KeyboardInterrupt:
        return 130


def _exit_code(end: SystemExit) -> int:
    """As the interpreter would have it."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)  # noqa: T201 - it is the collector's stderr
    return 1
