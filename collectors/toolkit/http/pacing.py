"""One request with the turn that it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from collectors.toolkit.http.faults import WireFault
from collectors.toolkit.http.steps import Flow
from collectors.toolkit.http.verdicts import retry_after
from collectors.toolkit.politeness.turns import Came, Errand

if TYPE_CHECKING:
    from collectors.toolkit.politeness.manners import Manners


def paced(manners: Manners, errand: Errand, send: Flow, put_off: Callable[[float], None]) -> Flow:
    """Wait for the turn, send it, and say what came of it. `put_off` is told how long that was before it was sent."""
    began = time.perf_counter()
    try:
        turn = yield from manners.before(errand)
    finally:
        put_off(time.perf_counter() - began)
    began = time.perf_counter()
    try:
        page = yield from send
    except WireFault as fault:
        if turn is not None:
            yield from manners.after(turn, Came(None, fault.fault, time.perf_counter() - began))
        raise
    if turn is not None:
        came = Came(page.status_code, None, time.perf_counter() - began, retry_after(page.headers))
        yield from manners.after(turn, came)
    return page
