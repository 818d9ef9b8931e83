"""Where we are: the watched call under way, and what one can do with it."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from collectors.toolkit.profiling.aggregates import Frame, tell_once

_P = ParamSpec("_P")
_R = TypeVar("_R")

log = logging.getLogger("profiling")

#: How many functions of a chain are named; recursion makes longer ones.
CHAIN_LENGTH = 20

CURRENT: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("watched_call", default=None)

_told_outside: list[str] = []


def mark_solved(n: int = 1) -> None:
    """Of the things the current watched function has to do, `n` are done. Never raises."""
    _mark("solved", n)


def mark_failed(n: int = 1) -> None:
    """Of the things the current watched function has to do, `n` could not be done. Never raises."""
    _mark("failed", n)


def mark_size(n: int) -> None:
    """The current watched function has `n` more things to do. Never raises."""
    _mark("sizes", n)


def _mark(name: str, n: int) -> None:
    frame = CURRENT.get()
    if frame is None:
        if not _told_outside:
            _told_outside.append(name)
            log.debug("mark.ignored: outside of a watched function; this is said once")
        return
    try:
        if type(n) is not int or not 0 <= n < 2**53:
            raise ValueError(f"{n!r} is no count of things.")
        # Through the watch, not from the frame: after a fork the cells are new.
        cell = frame[0].cell_under(frame[1])
        cell.mark(getattr(cell, name), n)
    except Exception as error:  # noqa: BLE001 - a wrong mark is no reason for the caller to fail
        tell_once(f"a mark of {frame[0].function.qualname}", error)


def call_chain() -> str:
    """The watched functions under way, outermost first: `Prices.collect > Prices.price`; empty outside of any."""
    names: list[str] = []
    frame = CURRENT.get()
    while frame is not None and len(names) < CHAIN_LENGTH:
        names.append(frame[0].function.qualname)
        frame = frame[1]
    if frame is not None:
        names.append("...")
    return " > ".join(reversed(names))


def carry(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function`, to be run in a raw thread as part of the call that carries it, with everything that is bound here.

    Thread(target=carry(work)).start()          pool.map(carry(work), items)
    """
    here = contextvars.copy_context()

    @wraps(function)
    def carried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # A context can be entered once at a time, and several threads may run this.
        return here.copy().run(function, *args, **kwargs)

    return carried
