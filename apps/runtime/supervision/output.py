"""What a run writes to stdout and stderr, as lines: bounded in memory, whatever it is."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

#: Of a longer line the beginning is kept.
LINE_BYTES = 64 * 1024
CHUNK = 16 * 1024
TAIL_CHARS = 500
#: What the journal takes for ever, and how far ahead a burst may run. More is not read before its time has come, so
#: that a flood waits in the pipe, and its writer with it: nothing is lost, and no neighbour pays for it.
LINES_PER_S, BYTES_PER_S, BURST_S = 20_000, 8_000_000, 2.0

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


class RawLine(NamedTuple):
    """One line as it was written, without its end."""

    kept: bytes
    size: int
    """Bytes of the whole line."""


class LineSplitter:
    """Bytes in any portions, out come lines.

    A carriage return starts a line over, as on a terminal: of a progress bar its last state is kept.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size = 0
        self._starts_over = False

    def feed(self, data: bytes) -> Iterator[RawLine]:
        """The lines that are complete with `data`."""
        *complete, rest = data.split(b"\n")
        for part in complete:
            self._add(part)
            yield self._take()
        self._add(rest)

    def end(self) -> Iterator[RawLine]:
        """The line that has no end, if there is one."""
        if self._size:
            yield self._take()

    def _add(self, part: bytes) -> None:
        if not part:
            return
        body = part.rstrip(b"\r")
        if body:
            _, returned, last = body.rpartition(b"\r")
            if returned or self._starts_over:
                self._clear()
            self._size += len(last)
            self._buffer += last[: LINE_BYTES - len(self._buffer)]
        self._starts_over = len(body) < len(part)

    def _take(self) -> RawLine:
        line = RawLine(bytes(self._buffer), self._size)
        self._clear()
        self._starts_over = False
        return line

    def _clear(self) -> None:
        self._buffer.clear()
        self._size = 0


def as_text(line: bytes) -> str:
    """The line as text that any database takes; bytes that are no text are shown as `\\xff`."""
    text = line.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return text[:LINE_BYTES]


class Stream:
    """One pipe: stdout or stderr of a run."""

    def __init__(self, fd: int, name: str, level: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.name = name
        self.level = level
        self.splitter = LineSplitter()
        self.tail = ""

    def frame(self, line: RawLine) -> dict[str, Any]:
        """What the journal says of a line."""
        text = as_text(line.kept)
        if tail := text.strip():
            self.tail = tail[:TAIL_CHARS]
        data: dict[str, Any] = {"event": text, "level": self.level, "logger": self.name}
        if line.size > len(line.kept):
            data["c"] = {"truncated": True, "bytes": line.size}
        return data


class Output:
    """Both pipes of a run. `write(data)` is called with each line."""

    def __init__(self, stdout: int, stderr: int, write: Callable[[dict[str, Any]], object]) -> None:
        self._streams = {stdout: Stream(stdout, "stdout", 20), stderr: Stream(stderr, "stderr", 30)}
        self._all = tuple(self._streams.values())
        self._write = write
        self._ready_at = 0.0

    def open_fds(self, now: float) -> list[int]:
        """The pipes that may be read now."""
        return [] if now < self._ready_at else list(self._streams)

    def pause_s(self, now: float) -> float | None:
        """How long a flood has to wait; None when nothing waits."""
        return self._ready_at - now if self._streams and now < self._ready_at else None

    def read(self, fd: int, now: float) -> None:
        """Take what stands in a pipe."""
        stream = self._streams.get(fd)
        if stream is None:
            return
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        lines, size = 0, 0
        for line in stream.splitter.feed(data) if data else stream.splitter.end():
            self._write(stream.frame(line))
            lines, size = lines + 1, size + len(line.kept)
        cost = max(lines / LINES_PER_S, size / BYTES_PER_S)
        self._ready_at = max(self._ready_at, now - BURST_S) + cost
        if not data:
            self._close(stream)

    def drain(self, patience_s: float) -> None:
        """What stands in the pipes. Somebody who was handed their other end may hold them open for ever."""
        deadline = time.monotonic() + patience_s
        while self._streams and time.monotonic() < deadline:
            poll = select.poll()
            for fd in self._streams:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(100):
                self.read(fd, 0.0)
        self.finish()

    def finish(self) -> None:
        """No more is read: what has no end of line is a line too."""
        for stream in list(self._streams.values()):
            for line in stream.splitter.end():
                self._write(stream.frame(line))
            self._close(stream)

    @property
    def tail(self) -> str:
        """The last words: what stderr said, else stdout."""
        return next((stream.tail for stream in reversed(self._all) if stream.tail), "")

    def _close(self, stream: Stream) -> None:
        self._streams.pop(stream.fd, None)
        with suppress(OSError):
            os.close(stream.fd)
