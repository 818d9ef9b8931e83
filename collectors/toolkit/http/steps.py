"""What a flow asks of whoever drives it, beside an `Exchange`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

from collectors.toolkit.http.answer import Exchange, Page


@dataclass(slots=True)
class Wait:
    """Wait; True, or False if the run was asked to stop meanwhile."""

    seconds: float
    is_for_turn: bool = False
    """For the site's sake: the deadline of the item moves by as much."""


@dataclass(slots=True)
class Ask:
    """Call this, which may take a moment, and send what it returns; an event loop calls it in a thread."""

    work: Callable[[], Any]


@dataclass(slots=True)
class Way:
    """Find a proxy to go by to this address; the proxy, or the error that says why there is none."""

    url: httpx.URL


Step: TypeAlias = Exchange | Wait | Ask | Way
#: It is sent a `Page` or a `WireFault` for an `Exchange`, a bool for a `Wait`, a `Proxy` or `NoProxy` for a `Way`, the
#: result for an `Ask`.
Flow: TypeAlias = Generator[Step, Any, Page]
