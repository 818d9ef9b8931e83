"""The new process between fork and the collector's own code. It never returns."""

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

Become = Callable[[Order], int]
"""Turns this process into the collector. Returns an exit code, if at all."""


def enter(order: Order, become: Become, *, stdout: int, stderr: int, shim: int, cgroup: Path | None) -> NoReturn:
    """Be a clean process, then the collector; called in the child right after the fork."""
    code = 1
    try:
        _detach(stdout, stderr, shim, cgroup)
        code = become(order)
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a copy of the shim
        traceback.print_exc()
    finally:
        _leave(code)


def _detach(stdout: int, stderr: int, shim: int, cgroup: Path | None) -> None:
    # First of all: what goes wrong from here on is said where it is read.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    # A group of its own: what a collector sends to its group does not reach the shim.
    os.setpgid(0, 0)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(1)
    if cgroup is not None:
        (cgroup / "cgroup.procs").write_text("0")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    # The lifeline, the forkserver's socket, other runs: nothing of it is the collector's.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
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
