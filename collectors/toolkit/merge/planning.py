"""What a merge would do, worked out from hashes alone: no database, no model."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from collectors.contract import MergeResult

Key = tuple[Hashable, ...]
R = TypeVar("R")


class ConflictingRows(Exception):
    """Rows with the same natural key say different things; `keys` names them."""

    def __init__(self, keys: list[Key]) -> None:
        super().__init__(f"{len(keys)} keys appear more than once with different values")
        self.keys = keys


@dataclass(frozen=True, slots=True)
class Stored:
    """A current row as far as the plan needs it."""

    pk: Any
    sha: str


@dataclass(slots=True)
class MergePlan(Generic[R]):
    """What to archive (primary keys) and what to insert (rows with their hash), and the numbers."""

    insert: list[tuple[R, str]] = field(default_factory=list)
    archive: list[Any] = field(default_factory=list)
    seen: int = 0
    unchanged: int = 0
    duplicates: int = 0
    changed: int = 0

    @property
    def result(self) -> MergeResult:
        return MergeResult(
            seen=self.seen,
            inserted=len(self.insert),
            archived=len(self.archive),
            unchanged=self.unchanged,
            duplicates=self.duplicates,
            changed=self.changed,
        )


def plan_merge(
    incoming: Iterable[tuple[Key, str, R]], stored: Mapping[Key, Stored], *, archive_missing: bool
) -> MergePlan[R]:
    """Compare `(natural key, hash, row)` triples with the current rows.

    Equal hash: nothing. Other hash: the old row is archived, the new one inserted. New key: inserted. A key that was
    not seen: archived, if `archive_missing`. The same row twice counts as a duplicate; the same key with different
    hashes raises `ConflictingRows`.
    """
    plan: MergePlan[R] = MergePlan()
    shas: dict[Key, str] = {}
    conflicts: dict[Key, None] = {}
    for key, sha, row in incoming:
        plan.seen += 1
        if key in shas:
            if shas[key] != sha:
                conflicts[key] = None
            plan.duplicates += 1
            continue
        shas[key] = sha
        old = stored.get(key)
        if old is not None and old.sha == sha:
            plan.unchanged += 1
            continue
        if old is not None:
            plan.archive.append(old.pk)
            plan.changed += 1
        plan.insert.append((row, sha))
    if conflicts:
        raise ConflictingRows(list(conflicts))
    if archive_missing:
        plan.archive.extend(old.pk for key, old in stored.items() if key not in shas)
    return plan
