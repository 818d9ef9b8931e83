"""What `manage.py journal` shows and does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from apps.logs.models import JournalFile
from apps.runtime.journals import quarantine, writer_is_dead
from apps.runtime.process import node_name
from collectors.toolkit.journal import Damage, read_frames


@dataclass(frozen=True, slots=True)
class Standing:
    """One journal file of this machine, beside what the database has of it."""

    path: str
    role: str
    size: int
    shipped: int
    is_done: bool
    dropped: int
    damaged_bytes: int

    @property
    def backlog(self) -> int:
        """Bytes that are not in the database."""
        return 0 if self.is_done else max(0, self.size - self.shipped)


def standings(root: Path) -> list[Standing]:
    """Every journal on this machine's disk."""
    rows = {row.path: row for row in JournalFile.objects.filter(node=node_name())}
    found = []
    for file in sorted(root.glob("*/*.journal")):
        name, row = str(file.relative_to(root)), rows.get(str(file.relative_to(root)))
        found.append(
            Standing(
                path=name,
                role=row.role if row else "",
                size=file.stat().st_size,
                shipped=row.offset if row else 0,
                is_done=bool(row and row.sealed_at),
                dropped=row.dropped if row else 0,
                damaged_bytes=row.damaged_bytes if row else 0,
            )
        )
    return found


def repair(root: Path) -> list[tuple[str, int]]:
    """Cut the torn ends off journals whose writers are dead, keeping the bytes beside them.

    Returns `(path, bytes)` of each. A journal whose writer lives is left alone: it repairs itself.
    """
    mended = []
    for file in sorted(root.glob("*/*.journal")):
        reading = read_frames(file)
        if reading.pending and writer_is_dead(file):
            quarantine(file, [Damage(reading.end, reading.end + reading.pending)])
            os.truncate(file, reading.end)
            mended.append((str(file.relative_to(root)), reading.pending))
    return mended
