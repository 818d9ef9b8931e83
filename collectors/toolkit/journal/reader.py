"""The reading end: exactly the complete frames of a file, whatever happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collectors.toolkit.journal.framing import Frame, parse

CHUNK = 4 * 1024 * 1024


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
    reading.frames.extend(walk(data, start, reading))
    return reading


def walk(data: bytes, start: int, reading: Reading) -> Iterator[Frame]:
    """The same, one frame at a time; `reading` holds where it stands, damage included. It may be left at any frame."""
    position = 0
    while (newline := data.find(b"\n", position)) >= 0:
        end = start + newline + 1
        frame = parse(data[position:newline], end)
        begin, position, reading.end = position, newline + 1, end
        if frame is not None:
            yield frame
        else:
            _note(reading.damage, start + begin, end)
    reading.pending = len(data) - position


def _note(damage: list[Damage], start: int, end: int) -> None:
    """Neighbouring damage is one piece."""
    if damage and damage[-1].end == start:
        damage[-1] = Damage(damage[-1].start, end)
    else:
        damage.append(Damage(start, end))
