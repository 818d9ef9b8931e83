"""By when the item under way has to be done; whoever fetches or waits for it looks here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from collectors.toolkit.errors import CollectError

if TYPE_CHECKING:
    from asyncio import Timeout


class ItemTimeout(CollectError):
    """An item took longer than `item_timeout_s` of its source."""

    category = "http"


class Deadline:
    """So many seconds from now; None: only when it is called off."""

    __slots__ = ("_why", "at", "is_called_off", "limit")

    def __init__(self, seconds: float | None) -> None:
        self.at = math.inf if seconds is None else time.monotonic() + seconds
        self.is_called_off = False
        self.limit: Timeout | None = None
        """In an event loop, what cancels the item."""
        self._why = "" if seconds is None else f"The item took longer than its {seconds:g} s."

    @property
    def left_s(self) -> float:
        """Seconds until then; negative when it has passed."""
        return self.at - time.monotonic()

    def put_off(self, seconds: float) -> None:
        """So much later: to wait for the turn at a site is not the item's fault."""
        if not self.is_called_off:
            self.at += seconds
        if self.limit is not None and (when := self.limit.when()) is not None:
            self.limit.reschedule(when + seconds)

    def call_off(self, why: str) -> None:
        """Nobody waits for the item any more: whatever it waits for ends as soon as it can."""
        self._why, self.at, self.is_called_off = why, 0.0, True

    def error(self) -> ItemTimeout:
        """What an item fails with when it comes too late."""
        return ItemTimeout(self._why)


_deadline: ContextVar[Deadline | None] = ContextVar("item_deadline", default=None)


def current_deadline() -> Deadline | None:
    """That of the item under way; None without one."""
    return _deadline.get()


@contextmanager
def deadline_is(deadline: Deadline) -> Iterator[None]:
    """What is done in this block has to be done by then."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)
