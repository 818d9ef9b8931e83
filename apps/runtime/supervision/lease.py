"""Whether a manager still holds its lease, where the shims of its runs can see it whatever the manager does.

A run of an exclusive app ends before another one may begin elsewhere. A manager that is cut off from the database, or
suspended, cannot see to that: its shims look at the moment of the last renewal, which stands in memory that they share.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

#: A run of an exclusive app that nobody has answered for so long is asked to end: it is gone before the lease of 16 s
#: is over (apps/runtime/nodes.py).
CUT_OFF_S = 13.0

_MOMENT = struct.Struct("d")


def boot_time() -> float:
    """Seconds since this machine was booted; time in suspension counts."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseNote:
    """The moment of the last renewal. It is gone when the process that wrote it is."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("lease")
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"
        self.renew(boot_time())

    def renew(self, at: float) -> None:
        """The lease was renewed at this moment of `boot_time`."""
        os.pwrite(self._fd, _MOMENT.pack(at), 0)


def renewed_s_ago(path: str) -> float:
    """How long ago the note at `path` was renewed; for ever, when there is none any more."""
    try:
        (moment,) = _MOMENT.unpack(Path(path).read_bytes()[: _MOMENT.size])
    except (OSError, struct.error):
        return float("inf")
    return boot_time() - float(moment)
