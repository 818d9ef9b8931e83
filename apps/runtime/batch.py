"""One pass over some frames of a journal: rows are handed on while the rest is still being parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.logs.models import JournalFile
from apps.logs.storage import Line, line_from_frame
from collectors.toolkit.journal import Frame, Reading, load, walk


@dataclass(slots=True)
class Batch:
    """Read `lines` to the end; what else the frames said is known then."""

    path: Path
    journal: JournalFile
    limit: int
    """About so many bytes."""
    at_most: int | None = None
    """So many frames; None for all of them."""
    reading: Reading = field(init=False)
    frame_count: int = 0
    line_count: int = 0
    last: Frame | None = None
    others: list[Frame] = field(default_factory=list)
    """The frames that are no lines, in order."""
    levels: Counter[int] = field(default_factory=Counter)
    errors: list[Line] = field(default_factory=list)
    """The lines that have a fingerprint."""
    exception_count: int = 0

    def __post_init__(self) -> None:
        self.reading = Reading(end=self.journal.offset)

    def lines(self, last_number: int | None) -> Iterator[Line]:
        """The rows of the log lines, numbered behind `last_number`; None for lines that have no numbers."""
        journal = self.journal
        run_id, app_id, journal_id, seen = journal.runtime_id, journal.app_id, journal.pk, journal.seq
        data = load(self.path, journal.offset, limit=self.limit)
        for frame in walk(data, journal.offset, self.reading):
            self.frame_count += 1
            self.last = frame
            if frame.seq > seen:
                if frame.kind == "log":
                    self.line_count += 1
                    number = None if last_number is None else last_number + self.line_count
                    line = line_from_frame(frame, run_id, app_id, number, journal_id)
                    self.levels[line.level] += 1
                    if line.fingerprint:
                        self.errors.append(line)
                    if line.exception:
                        self.exception_count += 1
                    yield line
                else:
                    self.others.append(frame)
            if self.frame_count == self.at_most:
                return

    @property
    def is_sealed(self) -> bool:
        """Whether the last frame says that nothing follows."""
        return self.last is not None and self.last.kind == "seal"

    @property
    def dropped(self) -> int:
        """How many lines the writer says a full disk cost."""
        return sum(int(frame.data.get("dropped", 0)) for frame in self.others if frame.kind == "gap")
