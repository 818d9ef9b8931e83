"""Who gives out the turns: what the platform implements for all processes, and `MemoryLedger` for one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from collectors.toolkit.politeness.pauses import Why


@dataclass(frozen=True, slots=True)
class Bid:
    """What a process says when it wants a turn."""

    site: str
    low_s: float
    high_s: float
    why: Why
    """Who says so: the source, or nobody."""
    crawl_s: float = 0.0
    """What robots.txt asks for."""
    luck: float = 0.5
    """From 0 to 1: where between the least and the most."""
    longest_s: float = 120.0
    """Whoever is to rest for longer gets no turn."""
    answered: int = 0
    """Answers since the last bid."""
    latency_s: float = 0.0
    """How long they took, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A turn, and how things are at the site."""

    wait_s: float
    """Until then."""
    rest_s: float
    """So long nobody may fetch; longer than the bid takes, there is no turn."""
    least_s: float
    """No two requests closer than this."""
    most_s: float
    """The longest that the pause can be now."""
    is_shared: bool
    """Another process fetches from the same site: whoever has waited asks once more."""
    latency_s: float
    """What is usual; 0: not known."""
    at_once: int
    """So many requests at once; 0: any number."""
    circuits: int
    """Changes when a circuit of the site does."""


@dataclass(frozen=True, slots=True)
class Way:
    """A host, and how one gets there: what has a circuit."""

    site: str
    host: str
    egress: str
    """"direct", or the name of a proxy or of its session."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """One that is open."""

    way: Way
    left_s: float
    """Until somebody may try."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The answer to who wants through a circuit that was open."""

    is_open: bool
    """No way through."""
    left_s: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class RobotsText:
    """A robots.txt as it was given."""

    status: int
    text: str
    age_s: float = 0.0


class Ledger(Protocol):
    """Shared by all who fetch. Every method may take a moment, and is called from many threads."""

    def take(self, bid: Bid) -> Slot:
        """The next turn at a site."""
        ...

    def confirm(self, site: str, least_s: float) -> float:
        """Who has waited may go (0), or has to wait for so many seconds more."""
        ...

    def slow_down(self, site: str, why: Why, *, factor: float, rest_s: float = 0.0) -> None:
        """The site complains; nobody fetches from it for `rest_s`."""
        ...

    def lend(self, site: str, at_once: int, seconds: float) -> Any:
        """A place among those that are under way, for so long; None: all are taken."""
        ...

    def give_back(self, place: Any) -> None:
        """It is free again."""
        ...

    def robots(self, origin: str) -> RobotsText | None:
        """The one that is kept."""
        ...

    def keep_robots(self, site: str, origin: str, found: RobotsText, crawl_s: float) -> None:
        """Keep one for others."""
        ...

    def open_circuits(self, site: str) -> Collection[Circuit]:
        """Those of a site."""
        ...

    def enter(self, way: Way) -> Entry:
        """Whether the way is open for this request: the circuit was closed, or it is the one that tries."""
        ...

    def trip(self, way: Way, why: str) -> None:
        """Open a circuit, or leave it open for twice as long."""
        ...

    def close_circuit(self, way: Way) -> None:
        """It works again."""
        ...

    def settle(self, site: str, answered: int, latency_s: float) -> None:
        """What was not said with a bid."""
        ...

    def close(self) -> None:
        """Nobody asks any more."""
        ...
