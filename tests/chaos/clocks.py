"""Wall clocks that can be set, one for each manager: a file says how far off, `wrong_clock` makes Python see it.

Only the wall clock is wrong; time that passes, passes. What the processes below a manager see is wrong alike.
"""

from __future__ import annotations

import time
from pathlib import Path


def make(path: Path) -> Path:
    """A clock that is right."""
    path.write_text("0")
    return path


def turn(clock: Path, seconds: int) -> None:
    """The clock is `seconds` ahead from here on."""
    unfinished = clock.with_suffix(".new")
    unfinished.write_text(str(seconds))
    unfinished.replace(clock)
    time.sleep(0.3)  # so long a process believes what it has read


def env(clock: Path) -> dict[str, str]:
    """What gives a process of Python this clock."""
    return {"DC_TEST_CLOCK": str(clock), "PYTHONPATH": str(Path(__file__).parent / "wrong_clock")}
