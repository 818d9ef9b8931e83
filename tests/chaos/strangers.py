"""A process that has nothing to do with the platform, and notices every signal."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.chaos.platform import wait_until

EARS = """
for name in HUP INT QUIT TERM USR1 USR2 CONT; do trap "echo $name >> \\"$1\\"" $name; done
echo ready >> "$1"
while :; do sleep 1; done
"""


class Stranger:
    """Alive until `leave`. `heard` names the signals that reached it."""

    def __init__(self, register: Path) -> None:
        self.register = register
        self.process = subprocess.Popen(
            ["sh", "-c", EARS, "stranger", str(register)], stdin=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(lambda: register.exists() and register.read_text(), "a stranger comes by")

    @property
    def pid(self) -> int:
        return self.process.pid

    def heard(self) -> list[str]:
        """What was sent to it; `KILL` when it was killed."""
        killed = ["KILL"] if self.process.poll() is not None else []
        return self.register.read_text().split()[1:] + killed

    def leave(self) -> None:
        """Its whole session goes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def stranger_with_pid(pid: int, folder: Path) -> Stranger | None:
    """A stranger that was given this pid, which is free; None where only the kernel decides about pids."""
    for attempt in range(50):
        try:
            LAST_PID.write_text(str(pid - 1))
        except OSError:
            return None
        stranger = Stranger(folder / f"stranger-{pid}-{attempt}")
        if stranger.pid == pid:
            return stranger
        stranger.leave()  # somebody else was quicker
        if Path(f"/proc/{pid}").exists():
            return None
    return None
