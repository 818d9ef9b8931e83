"""What a process does first of all to be a shim."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from apps.runtime.supervision.libc import adopt_orphans, name_process


def settle() -> None:
    """A session of its own, every orphan of the run ours, deaf to signals that are not for us, no terminal."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    adopt_orphans()
    with suppress(OSError):
        name_process("dc-shim")
    # A terminal or a service manager tells everybody; when the run stops is for our manager to say.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nowhere, fd)
    os.close(nowhere)
