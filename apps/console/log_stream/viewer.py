"""One open socket: what waits to be sent to it, and how far it came."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

from apps.console.log_stream.access import Visitor
from apps.console.log_viewer.rows import LineBatch
from apps.console.sockets.codes import TOO_SLOW
from apps.console.sockets.envelope import Send, envelope

#: What may wait for one client. Somebody whose line is slower than the log is told where to go on, and let go.
WAITING_BYTES = 1024 * 1024
STUCK_S = 30.0
#: Nothing is followed for ever: whoever is still there comes back.
LONGEST_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Made once for all who follow a run."""

    message: dict[str, Any]
    first: int
    last: int
    size: int
    lines: list[bytes] = field(default_factory=list)

    def behind(self, cursor: int) -> Frame:
        """What of it somebody needs who has the lines up to `cursor`."""
        if not self.lines or cursor < self.first:
            return self
        kept = [line for line in self.lines if orjson.loads(line)["n"] > cursor]
        return lines_frame(LineBatch(cursor + 1, self.last, kept))


def lines_frame(batch: LineBatch) -> Frame:
    """Lines of a run."""
    text = envelope("lines", batch.last, b'{"lines":[' + b",".join(batch.lines) + b"]}")
    return Frame({"type": "websocket.send", "text": text}, batch.first, batch.last, len(text), batch.lines)


def data_frame(kind: str, seq: int, data: bytes) -> Frame:
    """Anything else; `seq` is unchanged by it."""
    text = envelope(kind, seq, data)
    return Frame({"type": "websocket.send", "text": text}, seq, seq, len(text))


class Viewer:
    """Takes frames without waiting, and sends them one after the other as fast as its client reads."""

    def __init__(self, visitor: Visitor, send: Send) -> None:
        self.visitor = visitor
        self.cursor = 0
        """The last line that was taken for this client."""
        self.delivered = 0
        """The last line that was handed to its connection."""
        self.closing: tuple[int, str] | None = None
        self.sender: asyncio.Task[None] | None = None
        self._send = send
        self._waiting: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._sending_since: float | None = None
        self._since = time.monotonic()

    def offer(self, frame: Frame) -> None:
        """Queue a frame; the client is let go when too much waits for it."""
        if self.closing is not None:
            return
        if frame.lines:
            if frame.last <= self.cursor:
                return
            frame = frame.behind(self.cursor)
            self.cursor = frame.last
        self._waiting.append(frame)
        self._waiting_bytes += frame.size
        if self._waiting_bytes > WAITING_BYTES:
            self.let_go()
        else:
            self._news.set()

    def let_go(self) -> None:
        """The client is too slow; it may come back and go on behind what it was sent."""
        self.close(TOO_SLOW, f"Too slow; go on after={self.delivered}")

    def close(self, code: int, reason: str) -> None:
        """End the socket with this code; what waits for it is dropped."""
        if self.closing is None:
            self.closing = code, reason
            self._waiting.clear()
            self._waiting_bytes = 0
            if self.sender is not None:
                self.sender.cancel()

    def is_stuck(self) -> bool:
        """Whether its connection has taken nothing for a long time."""
        return self._sending_since is not None and time.monotonic() - self._sending_since > STUCK_S

    def is_old(self) -> bool:
        """Whether it has been open for as long as any socket may be."""
        return time.monotonic() - self._since > LONGEST_S

    async def send(self, frame: Frame) -> None:
        """Send now, waiting for the connection to take it."""
        self._sending_since = time.monotonic()
        await self._send(frame.message)
        self._sending_since = None
        if frame.lines:
            self.delivered = frame.last

    async def send_offered(self) -> None:
        """Send what is offered, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                frame = self._waiting.popleft()
                # It still counts while the connection holds it up.
                await self.send(frame)
                self._waiting_bytes -= frame.size
