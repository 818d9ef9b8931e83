"""The reading end: exactly the complete frames of a file, whatever happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from collectors.toolkit.journal.framing import AROUND, Frame, body_of, decode

CHUNK = 4 * 1024 * 1024
_NEWLINE = ord("\n")


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame."""

    start: int
    end: int


@dataclass(slots=True)
class Reading:
    """What `read_frames` found."""

    frames: list[Frame] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    end: int = 0
    """Offset behind the last whole line; the next reading begins here."""
    pending: int = 0
    """Bytes behind `end`: a frame that is being written, or the torn end of a writer that died."""

    def not_a_frame(self, body: bytes) -> None:
        """The frame that was read last has the right checksum and makes no sense."""
        self.damaged(self.end - len(body) - AROUND, self.end)

    def damaged(self, start: int, end: int) -> None:
        """These bytes are no frame. Neighbouring damage is one piece."""
        if self.damage and self.damage[-1].end == start:
            start = self.damage.pop().start
        self.damage.append(Damage(start, end))


def read_frames(path: Path, start: int = 0, *, limit: int | None = None) -> Reading:
    """The frames from byte `start` on, at most about `limit` bytes of them.

    A line that is no whole frame is `damage`, and reading goes on behind it. What follows the last newline is not
    touched: `pending` says how much it is. Raises `OSError`.
    """
    return scan(load(path, start, limit=limit), start)


def load(path: Path, start: int = 0, *, limit: int | None = None) -> bytes:
    """The bytes from `start` on, about `limit` of them, and at least one whole line where there is one."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(CHUNK if limit is None else limit)
        while (limit is None or b"\n" not in data) and (more := file.read(CHUNK)):
            data += more
    return data


def scan(data: bytes, start: int = 0) -> Reading:
    """The frames of `data`, whose first byte stands at offset `start`."""
    reading = Reading(end=start)
    reading.frames.extend(walk(BytesIO(data), start, reading))
    return reading


def walk(lines: Iterable[bytes], start: int, reading: Reading) -> Iterator[Frame]:
    """The same, one frame at a time; `reading` holds where it stands, damage included. It may be left at any frame."""
    for body in bodies(lines, start, reading):
        frame = decode(body, reading.end)
        if frame is not None:
            yield frame
        else:
            reading.not_a_frame(body)


def bodies(lines: Iterable[bytes], start: int, reading: Reading) -> Iterator[bytes]:
    """The same, of every frame what stands behind its checksum. `lines` are those of a file, newlines included."""
    end = start
    for line in lines:
        if line[-1] != _NEWLINE:
            reading.pending = len(line)
            return
        begin, end = end, end + len(line)
        reading.end = end
        body = body_of(line)
        if body is not None:
            yield body
        else:
            reading.damaged(begin, end)
