"""When the way to a host counts as cut, and for how long."""

from __future__ import annotations

from collectors.toolkit.http.faults import Fault

#: So many failures in a row open a circuit.
IN_A_ROW = 5
FIRST_OPEN_S, LONGEST_OPEN_S = 30.0, 900.0
#: Whoever tries has so long to say how it went; then somebody else may.
PROBE_S = 180.0

_DOWN = frozenset({Fault.CONNECTION, Fault.HOST, Fault.TIMEOUT, Fault.DEADLINE, Fault.PROXY, Fault.ANSWER})


def is_down(fault: Fault | None, status: int | None) -> bool:
    """Whether this is what a host does that is down, or cannot be reached this way."""
    if fault is not None:
        return fault in _DOWN
    return status is not None and status >= 500 and status not in (501, 505)


def open_s(trips: int) -> float:
    """How long a circuit stays open that was opened for the `trips`-th time without closing between."""
    return float(min(LONGEST_OPEN_S, FIRST_OPEN_S * 2 ** min(trips - 1, 10)))
