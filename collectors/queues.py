"""The part of the contract that lets a run go on with the list of another; part of `collectors.contract`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from collectors.stores import SeenKeys, SeenLedger


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """One item that is still to be collected."""

    id: int
    text: str
    """As it was added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """How far a queue is: `size = done + left + given_up`."""

    size: int
    left: int
    given_up: int

    @property
    def done(self) -> int:
        """How many were collected and stored."""
        return self.size - self.left - self.given_up


class ItemQueue(SeenLedger, Protocol):
    """The items of a list, and what was seen of their rows. It outlives the run that works on it."""

    @property
    def continues(self) -> str:
        """The run that worked on it before; empty when the queue is new."""
        ...

    @property
    def is_listed(self) -> bool:
        """Whether the whole list is in it."""
        ...

    def counts(self) -> QueueCounts: ...

    def add(self, texts: Sequence[str]) -> None:
        """Items to collect; those that are there already are left out."""
        ...

    def listed(self) -> None:
        """Everything is in it; from here on items are taken and settled."""
        ...

    def take(self, count: int) -> list[QueuedItem]:
        """The next items of this run, each once; none when it has had them all."""
        ...

    def settle(self, *, done: Sequence[int], failed: Sequence[int], seen: Sequence[SeenKeys]) -> None:
        """Cross out what was stored, note what failed, and what was seen; all of it or nothing."""
        ...

    def remove(self) -> None:
        """The list is done: the next run begins anew."""
        ...


class Queues(Protocol):
    """Hands out queues."""

    def __call__(self, *, args: str, keep_s: float, attempts: int) -> ItemQueue:
        """The queue of this app for these arguments: the one that an earlier run left, unless it is older than
        `keep_s`, or a new one. An item that failed `attempts` times is given up.

        Raises `toolkit.errors.RetryLater` while another run works on it.
        """
        ...


def no_queues(*, args: str, keep_s: float, attempts: int) -> NoReturn:  # noqa: ARG001 - as `Queues`
    """For contexts that have none."""
    raise LookupError("There are no item queues in this context.")
