"""How long the pauses between two requests to a site are, and how they grow and shrink."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why the pause at a site is as long as it is."""

    DEFAULT = "default"
    SOURCE = "source"
    OPERATOR = "operator"
    CRAWL_DELAY = "crawl-delay"
    TOO_MANY = "429"
    UNAVAILABLE = "503"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Pause:
    """A random time from `low_s` to `high_s`."""

    low_s: float
    high_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.low_s <= self.high_s <= LONGEST_S:
            raise ValueError(f"A pause is (least, most) in seconds, from 0 to {LONGEST_S:g}.")

    @classmethod
    def of(cls, said: object) -> Pause:
        """From what an author writes: `(0.5, 1)`, or one number. Raises `ValueError`."""
        if isinstance(said, int | float) and not isinstance(said, bool):
            return cls(float(said), float(said))
        if isinstance(said, tuple | list) and len(said) == 2 and all(isinstance(one, int | float) for one in said):
            return cls(float(said[0]), float(said[1]))
        raise ValueError("A pause is written as one number of seconds, or as (least, most).")


#: The name of a site: a host and a port.
LONGEST_NAME = 253 + 6
#: Longer pauses are a schedule.
LONGEST_S = 3_600.0
DEFAULT = Pause(1.0, 3.0)
#: What a site that complains gets on top, at first and at most.
FIRST_PENALTY_S, MOST_PENALTY_S = 0.5, 60.0
#: Each answer takes so much of it away; below the least it is none.
DECAY, LEAST_PENALTY_S = 0.97, 0.05
#: Complaints that come within this are one: requests that were under way together get the same answer.
ONE_COMPLAINT_S = 1.0
#: A process that sees another fetch from the same site looks out for it for so long.
SHARED_S = 120.0


def margin(low_s: float) -> float:
    """What is added to a pause, so that who wakes up late is not too close to the one before."""
    return min(0.1 * low_s, 0.05)


def grown(penalty_s: float, factor: float) -> float:
    """After a complaint."""
    return min(MOST_PENALTY_S, max(FIRST_PENALTY_S, penalty_s * factor))


def shrunk(penalty_s: float, answers: int) -> float:
    """After so many answers."""
    left = penalty_s * float(DECAY**answers)
    return left if left >= LEAST_PENALTY_S else 0.0
