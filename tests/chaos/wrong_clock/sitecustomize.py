"""Python imports this first, where `tests/chaos/clocks.py` has a process do so: its wall clock is off from here on.

`time.time`, `time.time_ns` and `datetime.now` are; time that passes, passes. The values stay plain datetimes.
"""

from __future__ import annotations

import datetime as module
import os
import time
from pathlib import Path
from typing import Any

RIGHT, RIGHT_TIME, RIGHT_TIME_NS = module.datetime, time.time, time.time_ns
CLOCK = Path(os.environ["DC_TEST_CLOCK"])
FRESH_S = 0.2
_seen = {"until": 0.0, "offset": 0.0}


def offset() -> int:
    """Seconds that this clock is ahead."""
    now = time.monotonic()
    if now >= _seen["until"]:
        _seen.update(until=now + FRESH_S, offset=int(CLOCK.read_text()))
    return int(_seen["offset"])


class Likeness(type):
    """Right datetimes pass for wrong ones."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, RIGHT)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, RIGHT)


class Wrong(module.datetime, metaclass=Likeness):
    """What `datetime.datetime` is in such a process."""

    __slots__ = ()

    def __new__(cls, *args: Any, **values: Any) -> Any:
        return RIGHT(*args, **values)

    @classmethod
    def now(cls, tz: module.tzinfo | None = None) -> Any:
        """What its clock shows."""
        return RIGHT.now(tz) + module.timedelta(seconds=offset())


setattr(module, "datetime", Wrong)  # noqa: B010 - mypy would not have it
time.time = lambda: RIGHT_TIME() + offset()
time.time_ns = lambda: RIGHT_TIME_NS() + offset() * 10**9
