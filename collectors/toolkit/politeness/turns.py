"""One request that waits for its turn, the turn, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from collectors.toolkit.http.faults import Fault
from collectors.toolkit.http.steps import Flow
from collectors.toolkit.politeness.ledger import Way


@dataclass(frozen=True, slots=True)
class Errand:
    """One request that is to be sent."""

    url: httpx.URL
    egress: str
    agent: str
    longest_rest_s: float
    lease_s: float
    """The longest that it can take."""
    fetch: Callable[[httpx.URL], Flow]
    """Brings a robots.txt, the same way."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The permission to send one request; hand it back with what came of it."""

    way: Way
    place: Any = None


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a request."""

    status: int | None
    fault: Fault | None
    elapsed_s: float
    retry_after_s: float | None = None
