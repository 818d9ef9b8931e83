"""Looking on while a session fetches: what came of each attempt, for those who keep accounts of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import httpx

from collectors.toolkit.errors import FetchError
from collectors.toolkit.http.profile import Proxy


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt and what came of it. A request that is tried again makes several."""

    url: httpx.URL
    """Where it ended: behind redirects, the last address."""
    proxy: Proxy | None
    """The way it went; None: directly."""
    status: int | None
    """None: there was no answer."""
    error: FetchError | None
    """None: the answer was welcome. `error.reaction` says what is best done."""
    elapsed_s: float
    """Without the time that was waited for a turn."""
    size: int
    """Bytes of the page, unpacked; 0 where there was no answer, or where it went to a sink."""
    sent: int = 0
    """Bytes that went out: lines, headers and bodies as HTTP/1.1 writes them, redirects included, without TLS."""
    received: int = 0
    """Bytes that came back, counted alike; of a body what came off the wire, packed as it was."""


#: Called in the thread, or in the event loop, that fetches, after each attempt: it must not take long, and not raise.
Observer: TypeAlias = Callable[[Attempt], None]
