"""What a series of merges takes away at its end: current rows that none of them saw."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.contract import Missing


@dataclass(frozen=True, slots=True)
class Group:
    """The merges of a series that were alike."""

    dataset: str
    alias: str
    scope: Mapping[str, Any]
    missing: Missing
    complete: bool

    def text(self) -> str:
        """Always the same text for the same group."""
        about = [self.dataset, self.alias, {name: plain(value) for name, value in self.scope.items()}]
        return json.dumps([*about, self.missing, self.complete], sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Group:
        """The group of this text."""
        return cls(*json.loads(text))

    def overlaps(self, other: Group) -> bool:
        """Whether a row may be in the scope of both."""
        if (self.dataset, self.alias) != (other.dataset, other.alias):
            return False
        return all(other.scope.get(name, value) == value for name, value in self.scope.items())


def takings(texts: Iterable[str]) -> Iterator[tuple[Group, list[str]]]:
    """The groups whose scope is swept, each with the groups whose keys stay.

    A scope stays as it is where a merge into it, or into a part of it, was not complete.
    """
    groups = {text: Group.read(text) for text in texts}
    for group in groups.values():
        beside = {text: other for text, other in groups.items() if group.overlaps(other)}
        if group.missing != "keep" and all(other.complete for other in beside.values()):
            yield group, list(beside)


def plain(value: Any) -> Any:
    """A value of a key or a scope, as JSON takes it; fields read it back from its text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)


def pack_keys(keys: Sequence[Sequence[Any]]) -> bytes:
    """Keys as they are kept."""
    return zlib.compress(json.dumps([[plain(value) for value in key] for key in keys]).encode(), 1)


def unpack_keys(packed: bytes) -> list[list[Any]]:
    """What `pack_keys` packed, each value as text, number or None."""
    keys: list[list[Any]] = json.loads(zlib.decompress(packed))
    return keys
