"""One pass over some frames of a journal: rows are handed on while the rest is still being parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.logs.models import JournalFile
from apps.logs.storage import Line, RowMaker, line_from_frame
from collectors.toolkit.journal import Frame, Reading, Said, bodies, decode, split

#: Read at once: what is still in the processor's cache is parsed in two thirds of the time.
READ_BYTES = 256 * 1024


@dataclass(slots=True)
class Batch:
    """Read `rows` to the end; what else the frames said is known then."""

    path: Path
    journal: JournalFile
    limit: int
    """About so many bytes."""
    at_most: int | None = None
    """So many frames; None for all of them."""
    reading: Reading = field(init=False)
    frame_count: int = 0
    line_count: int = 0
    last: Frame | Said | None = None
    others: list[Frame] = field(default_factory=list)
    """The frames that are no lines, in order."""
    levels: Counter[int] = field(default_factory=Counter)
    errors: list[Line] = field(default_factory=list)
    """The lines that have a fingerprint."""
    exception_count: int = 0

    def __post_init__(self) -> None:
        self.reading = Reading(end=self.journal.offset)

    def rows(self, maker: RowMaker, last_number: int | None) -> Iterator[Any]:
        """The rows of the log lines, numbered behind `last_number`; None for lines that have no numbers."""
        start, seen = self.journal.offset, self.journal.seq
        end, reading, self.levels = start + self.limit, self.reading, maker.levels
        number = None if last_number is None else last_number + 1
        with self.path.open("rb", buffering=READ_BYTES) as file:
            file.seek(start)
            for body in bodies(file, start, reading):
                self.frame_count += 1
                # Alone, a frame is read in full, so that nothing but its own fault has it set aside.
                said, row = split(body) if self.at_most != 1 else None, None
                if said is not None and said.seq > seen:
                    self.last, row = said, maker.said(said, number)
                if row is None:
                    row = self._row_of_any(body, maker, number)
                if row is not None:
                    self.line_count += 1
                    number = None if number is None else number + 1
                    yield row
                if self.frame_count == self.at_most or reading.end >= end:
                    return

    def _row_of_any(self, body: bytes, maker: RowMaker, number: int | None) -> Any | None:
        """The row of a frame, read in full; None when it is no line or no frame at all, or known already."""
        frame = decode(body, self.reading.end)
        if frame is None:
            self.frame_count -= 1
            self.reading.not_a_frame(body)
            return None
        self.last = frame
        if frame.seq <= self.journal.seq:
            return None
        if frame.kind != "log":
            self.others.append(frame)
            return None
        if "fp" in frame.data or "exc" in frame.data:
            line = line_from_frame(frame, maker.origin, number)
            self.errors += [line] if line.fingerprint else []
            self.exception_count += bool(line.exception)
        return maker.row(frame, number)

    @property
    def is_sealed(self) -> bool:
        """Whether the last frame says that nothing follows."""
        return isinstance(self.last, Frame) and self.last.kind == "seal"

    @property
    def dropped(self) -> int:
        """How many lines the writer says a full disk cost."""
        return sum(int(frame.data.get("dropped", 0)) for frame in self.others if frame.kind == "gap")
