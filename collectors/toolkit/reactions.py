"""What is best done after a request, or about an error. Sources import it from `collectors.toolkit.errors`."""

from __future__ import annotations

from enum import StrEnum


class Reaction(StrEnum):
    """What is best done after a request, or about an error."""

    OK = "ok"
    """Go on."""
    RETRY = "retry"
    """The same again, later: it may pass."""
    ROTATE = "rotate"
    """The same again, from another address."""
    SKIP = "skip"
    """Leave this one out; another one may work."""
    STOP = "stop"
    """Nothing else will work either."""
