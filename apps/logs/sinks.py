"""What a sink is: a place other than the database that lines are sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collectors.toolkit.journal import Frame


@dataclass(frozen=True, slots=True)
class SinkEvent:
    """A line on its way to a sink, with what its journal says about it."""

    journal: str
    frame: Frame
    node: str = ""
    role: str = ""
    runtime: str = ""
    app: str = ""
    """The code of the app; empty for the platform's own lines."""

    @property
    def id(self) -> str:
        """The same whenever and by whomever the line is sent: a receiver finds doubles by it."""
        return f"{self.journal}-{self.frame.seq}"

    @property
    def level(self) -> int:
        """The level of the line."""
        level = self.frame.data.get("level")
        return level if isinstance(level, int) else 20

    @property
    def logger(self) -> str:
        """Who said it."""
        return str(self.frame.data.get("logger", ""))

    @property
    def context(self) -> dict[str, Any]:
        """What came with it, as key and value."""
        context = self.frame.data.get("c")
        return context if isinstance(context, dict) else {}


class SinkUnavailable(Exception):
    """The sink takes nothing now; the same events are offered again later. The message says why, to a person."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class EventRefused(Exception):
    """One event of a batch will never be taken; `index` is its place. The others are offered again without it."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class Sink(Protocol):
    """Takes events at least once: after a crash, some come again with the same ids."""

    name: str

    def write(self, events: Sequence[SinkEvent]) -> None:
        """Returns when all of them are safe at the other end. Raises `SinkUnavailable` and `EventRefused`."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class BackOff:
    """Waits longer after every failure, up to a limit, and starts over after a success."""

    first_s: float = 1.0
    limit_s: float = 60.0
    failures: int = 0
    until: float = 0.0

    def fail(self, now: float, *, retry_after_s: float | None = None) -> None:
        """After a failure at `now`; a receiver that names a time is not asked before it."""
        wait = min(self.limit_s, self.first_s * 2**self.failures)
        self.failures = min(self.failures + 1, 30)
        self.until = now + max(wait, min(retry_after_s or 0.0, 10 * self.limit_s))

    def succeed(self) -> None:
        """After a success."""
        self.failures, self.until = 0, 0.0
