"""The processes of `manage.py up`: started, watched, started again when they die, stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

#: A process that ends so many times within so many seconds is not started again.
MAX_DEATHS, WINDOW_S = 5, 60.0


class KeepsDying(Exception):
    """A part ends again and again; the message names it and where its output is."""


def die_with_parent() -> None:
    """Runs in a new child, before its program: a parent that is killed takes it along, with a TERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Part:
    """One process. Its output goes to a file, which is begun anew at every `start` of the platform."""

    name: str
    argv: Sequence[str]
    log_file: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start the process, in a session of its own: a Ctrl-C on the terminal is ours to pass on."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                list(self.argv),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - called before any thread exists
            )

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def revive(self) -> bool:
        """Start the process again if it has ended. True when it had. Raises `KeepsDying`."""
        if self.process is None or self.is_running():
            return False
        now = time.monotonic()
        self.deaths = [*(moment for moment in self.deaths if now - moment < WINDOW_S), now]
        if len(self.deaths) >= MAX_DEATHS:
            raise KeepsDying(
                f"{self.name} ended {MAX_DEATHS} times within a minute, the last time with code "
                f"{self.process.returncode}: {self.last_line()} (all of its output: {self.log_file})"
            )
        self.start()
        return True

    def ask_to_end(self) -> None:
        """Send the process its signal, once: a second one means "at once"."""
        if self.process is not None and self.is_running():
            self.process.send_signal(self.stop_signal)

    def await_end(self) -> None:
        """Wait for a process that was asked, and kill what is left of its group."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.patience_s)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of the process and its group, at once."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_line(self) -> str:
        """The last thing the process said."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines() if self.log_file.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
