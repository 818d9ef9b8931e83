"""What needs somebody: each Django app that knows of such things says so in its `needs.py`, and Home shows them all.

A new one is a function `find_needs(look)` in a module `needs` of any Django app below `apps`; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from django.apps import apps
from django.utils.module_loading import module_has_submodule

#: Of one kind so many are shown; the page of all is a link away.
SHOWN = 8
_ORDER = ("danger", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Who looks, when, and when they were here before."""

    asker: Any
    now: datetime
    since: datetime | None = None

    def is_new(self, at: datetime | None) -> bool:
        """Whether it came after their last visit; nothing is new to who comes for the first time."""
        return self.since is not None and at is not None and at > self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing, and the page where one acts on it."""

    subject: str
    url: str
    said: str = ""
    at: datetime | None = None
    at_url: str = ""
    note: str = ""
    """A word more about the subject, such as "disabled"."""
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Things of one kind that wait for somebody."""

    name: str
    title: str
    colour: str
    """`danger`, `warning` or `info`: how much it matters."""
    icon: str
    step: str
    """What a person does next."""
    items: Sequence[Item]
    count: int
    """How many there are; `items` are the first of them."""
    url: str = ""
    """All of them."""

    @property
    def new_count(self) -> int:
        """Those that are shown and came after the last visit."""
        return sum(item.is_new for item in self.items)

    @property
    def more(self) -> int:
        """Those that are not shown."""
        return max(0, self.count - len(self.items))


def gather(look: Look) -> list[Need]:
    """Everything that needs this person, what matters most first."""
    found = [need for finder in _finders() for need in finder(look) if need.items]
    return sorted(found, key=lambda need: _ORDER.index(need.colour))


def _finders() -> Iterator[Callable[[Look], Iterable[Need]]]:
    for config in apps.get_app_configs():
        if config.name.startswith("apps.") and config.module and module_has_submodule(config.module, "needs"):
            yield import_module(f"{config.name}.needs").find_needs
