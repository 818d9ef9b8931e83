"""Two collections of rows held against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.toolkit.merge.hashing import fields_of, make_hash

Key = str | tuple[str, ...] | Callable[[Any], Hashable]
Change = tuple[Any, Any]
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """What `obj_diff` found. Keys are single values, or tuples where the key has several fields."""

    added: dict[Hashable, Any] = field(default_factory=dict)
    removed: dict[Hashable, Any] = field(default_factory=dict)
    changed: dict[Hashable, dict[str, Change]] = field(default_factory=dict)
    """Key -> field -> (before, after)."""
    same: list[Hashable] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def obj_diff(new: Iterable[Any], existing: Iterable[Any], key: Key) -> ObjectDiff:
    """Compare two collections of mappings or objects, matched by `key`: a field, several, or a function.

    Values are equal when their canonical forms are: "Zagreb " and "ZAGREB" are one. Raises `ValueError` when a key
    appears twice in a collection.
    """
    after, before = _by_key(new, key), _by_key(existing, key)
    found = ObjectDiff()
    for name, row in after.items():
        if name not in before:
            found.added[name] = row
        elif changes := changed_fields(before[name], row):
            found.changed[name] = changes
        else:
            found.same.append(name)
    found.removed.update((name, row) for name, row in before.items() if name not in after)
    return found


def changed_fields(before: Any, after: Any) -> dict[str, Change]:
    """Field -> (before, after) where the canonical forms of two rows differ; `MISSING` stands for no such field."""
    old, new = fields_of(before), fields_of(after)
    names: Mapping[str, None] = dict.fromkeys([*old, *new])
    pairs = {name: (old.get(name, MISSING), new.get(name, MISSING)) for name in names}
    return {name: pair for name, pair in pairs.items() if make_hash([pair[0]]) != make_hash([pair[1]])}


def _by_key(rows: Iterable[Any], key: Key) -> dict[Hashable, Any]:
    found: dict[Hashable, Any] = {}
    for row in rows:
        name = _key_of(row, key)
        if name in found:
            raise ValueError(f"the key {name!r} appears twice")
        found[name] = row
    return found


def _key_of(row: Any, key: Key) -> Hashable:
    if callable(key):
        return key(row)
    fields = fields_of(row)
    value: Hashable = fields[key] if isinstance(key, str) else tuple(fields[name] for name in key)
    return value
