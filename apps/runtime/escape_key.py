"""ESC on the terminal of a long-running command is a request to stop."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESC = b"\x1b"


@contextmanager
def on_escape(call: Callable[[], None]) -> Iterator[None]:
    """Calls `call` whenever ESC is pressed, for the length of a block. Without a terminal it does nothing."""
    if not sys.stdin.isatty() or os.getpgrp() != os.tcgetpgrp(sys.stdin.fileno()):
        yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    end_read, end_write = os.pipe()
    watcher = threading.Thread(target=_watch, args=(fd, end_read, call), name="escape", daemon=True)
    tty.setcbreak(fd)
    watcher.start()
    try:
        yield
    finally:
        os.write(end_write, b".")
        watcher.join()
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        os.close(end_read)
        os.close(end_write)


def _watch(fd: int, end: int, call: Callable[[], None]) -> None:
    while True:
        ready, _, _ = select.select([fd, end], [], [])
        if end in ready:
            return
        keys = os.read(fd, 64)
        if not keys:
            return
        # Arrow keys and the like begin with the same byte and go on.
        if keys == ESC:
            call()
