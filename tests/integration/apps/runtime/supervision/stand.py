"""A supervisor with real collectors, and everything it says."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.runtime.supervision import Ended, Event, ExitReport, RunSpec, Started, Supervisor
from collectors.toolkit.journal import Frame, read_frames

BODIES = "tests.integration.apps.runtime.supervision.bodies"


def cold_command(spec: RunSpec) -> list[str]:
    """Who is deaf is so from the first moment on, and not only when Python has started."""
    deaf = ["env", "--ignore-signal=TERM"] if spec.args.get("deaf") else []
    return [*deaf, sys.executable, "-m", BODIES, spec.run_id]


class Stand:
    """A supervisor and everything it has said."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.journals = folder / "journal"
        self.supervisor = Supervisor(
            journal_root=self.journals,
            entry=f"{BODIES}.run",
            command=cold_command,
            **options,
        )
        self.events: list[Event] = []

    def start(self, do: str, *, warm: bool = True, limits: dict[str, Any] | None = None, **args: Any) -> str:
        """Start a collector that does this; the id of its run."""
        run_id = uuid.uuid4().hex
        spec = {"stop_grace_s": 5.0, "warm": warm, **(limits or {})}
        self.supervisor.start(
            RunSpec(run_id=run_id, app_id=1, app_code="trial.odd.body", epoch=1, args={"do": do, **args}, **spec)
        )
        return run_id

    def until(self, condition: Callable[[], Any], *, seconds: float = 30) -> Any:
        """Listen until the condition holds, and return what it returned."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited in vain; heard: {self.events}"
            self.events += self.supervisor.wait(0.05)
        return found

    def of(self, run_id: str) -> list[Event]:
        """What was said of a run."""
        return [event for event in self.events if event.run_id == run_id]

    def started(self, run_id: str) -> Started:
        """Waits for the run to be started."""
        found: Started = self.until(
            lambda: next((event for event in self.of(run_id) if isinstance(event, Started)), None)
        )
        return found

    def ended(self, run_id: str, *, seconds: float = 30) -> ExitReport:
        """Waits for the end of the run."""
        self.until(lambda: any(isinstance(event, Ended) for event in self.of(run_id)), seconds=seconds)
        [report] = [event.report for event in self.of(run_id) if isinstance(event, Ended)]
        return report

    def outcome(self, do: str, **options: Any) -> ExitReport:
        """Start, and wait for the end."""
        return self.ended(self.start(do, **options))

    def frames(self, run_id: str) -> list[Frame]:
        """The frames of the journal of the run's shim."""
        [path] = (self.journals / run_id).glob("*.journal")
        reading = read_frames(path)
        assert not reading.damage
        return reading.frames

    def lines(self, run_id: str) -> list[str]:
        """What the run printed."""
        return [frame.data["event"] for frame in self.frames(run_id) if frame.kind == "log"]

    def close(self) -> None:
        """Nothing may be left behind."""
        for run_id in self.supervisor.running():
            self.supervisor.kill(run_id)
        self.until(lambda: not self.supervisor.running())
        self.supervisor.close()
