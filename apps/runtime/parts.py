"""The parts of the platform as people see them: one line each, with its state in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.choices import ColouredChoices


class Standing(ColouredChoices):
    """How a part is. What nobody could find out is unknown, not well."""

    OK = "ok", "success", "ok"
    LATE = "late", "warning", "late"
    UNKNOWN = "unknown", "default", "unknown"
    FAILED = "failed", "danger", "failed"


#: The signs beside the words, for who does not see colours.
ICONS = {
    Standing.OK: "check_circle",
    Standing.LATE: "schedule",
    Standing.UNKNOWN: "help",
    Standing.FAILED: "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one part is, and what to do about it."""

    name: str
    """For programs: `broker`, or `disk` of a machine."""
    title: str
    standing: Standing
    said: str
    measured_at: datetime | None
    step: str = ""
    """What a person does next; empty where there is nothing to do."""
    url: str = ""
    """The page that says more."""
    machine: str = ""

    @property
    def icon(self) -> str:
        """The sign of its state."""
        return ICONS[self.standing]

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to look."""
        return self.standing in (Standing.LATE, Standing.FAILED)


@dataclass(frozen=True, slots=True)
class Section:
    """Parts that are looked at together."""

    title: str
    parts: Sequence[Part]


def worst(parts: Sequence[Part]) -> Standing:
    """The state of all of them together."""
    order = (Standing.OK, Standing.UNKNOWN, Standing.LATE, Standing.FAILED)
    return max((part.standing for part in parts), key=order.index, default=Standing.OK)
