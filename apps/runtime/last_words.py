"""What the journals of a run say about its end, read from the files: they are there when no database is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from apps.runtime.journals import writer_is_dead
from apps.runtime.supervision.spec import ExitReport
from collectors.toolkit.journal import read_frames

#: Behind its last frame a writer says next to nothing; a frame has 256 KB at most.
TAIL_BYTES = 1024 * 1024
HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LastWords:
    """The frames that tell how a run ended; None where there is none."""

    end: Mapping[str, Any] | None = None
    report: ExitReport | None = None


def last_words(root: Path, run_id: str) -> LastWords:
    """The newest frames `end` and `exit` of a run."""
    end: Mapping[str, Any] | None = None
    report: ExitReport | None = None
    for path in journals(root, run_id):
        for kind, data in _tail(path):
            if kind == "end":
                end = data
            elif kind == "exit":
                known = {field.name for field in fields(ExitReport)}
                report = ExitReport(**{name: value for name, value in data.items() if name in known})
    return LastWords(end, report)


def writers_are_gone(root: Path, run_id: str) -> bool:
    """Whether every process of this machine that wrote a journal of the run has ended, its supervisor included."""
    return all(writer_is_dead(path) for path in journals(root, run_id))


def journals(root: Path, run_id: str) -> list[Path]:
    """The journals of a run on this machine."""
    return sorted((root / run_id).glob("*.journal"))


def _tail(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        start = max(0, path.stat().st_size - TAIL_BYTES)
        frames = read_frames(path, start).frames
    except OSError:
        return
    for frame in frames:
        yield frame.kind, frame.data
