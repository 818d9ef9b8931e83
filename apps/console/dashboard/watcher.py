"""One open dashboard socket: what it watches, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import orjson

from apps.console.dashboard.topics import Topic
from apps.console.sockets.codes import TOO_LONG_OPEN, TOO_MANY_MESSAGES, TOO_SLOW
from apps.console.sockets.envelope import Send, envelope
from apps.console.sockets.passes import Codes, Pass, Standing

MOST_TOPICS = 50
#: Ids that are told for one part of a topic; when more changed, "more" says so.
MOST_IDS = 100
MOST_ANSWERS = 100
MESSAGES_PER_S = 20
STUCK_S = 30.0
#: Who says nothing for so long is not there; pages say that they are every PING_S.
IDLE_S = 180.0
PING_S = 45
LONGEST_S = 12 * 3600.0


class Watcher:
    """Takes what is new without waiting.

    What was not sent yet is joined with what comes after it, so that it stays small however slow its client is.
    """

    def __init__(self, held: Pass, standing: Standing, send: Send) -> None:
        self.held, self.standing = held, standing
        self.asked: set[Topic] = set()
        """Topics it has asked for and was not answered yet."""
        self.known: dict[Topic, str] = {}
        """Topics it watches, with the version that it was told last."""
        self.closing: tuple[int, str] | None = None
        self.sender: asyncio.Task[None] | None = None
        self.seq = 0
        self._send = send
        self._answers: deque[tuple[str, dict[str, Any]]] = deque()
        self._changes: dict[Topic, dict[str, set[str]]] = {}
        self._news = asyncio.Event()
        self._sending_since: float | None = None
        self._opened_at = self._heard_at = time.monotonic()
        self._allowance, self._allowed_at = float(MESSAGES_PER_S), self._opened_at

    # -- What its client says ------------------------------------------------------------------------------------------

    def hear(self) -> bool:
        """Something was said. False when it says too much, and is closed for that."""
        now = time.monotonic()
        self._heard_at = now
        self._allowance = min(MESSAGES_PER_S, self._allowance + (now - self._allowed_at) * MESSAGES_PER_S) - 1
        self._allowed_at = now
        if self._allowance < 0:
            self.close(TOO_MANY_MESSAGES, f"At most {MESSAGES_PER_S} messages a second.")
        return self._allowance >= 0

    def ask(self, topics: Iterable[Topic]) -> list[Topic]:
        """Watch these as well; those for which there is no room are returned."""
        left_out = []
        for topic in topics:
            if len(self.asked | self.known.keys() | {topic}) > MOST_TOPICS:
                left_out.append(topic)
            else:
                self.asked.add(topic)
        return left_out

    def forget(self, topics: Iterable[Topic]) -> None:
        """Watch these no longer."""
        for topic in topics:
            self.asked.discard(topic)
            self.known.pop(topic, None)
            self._changes.pop(topic, None)

    def codes(self, topic: Topic) -> Codes:
        """The apps for which it may be told of a topic."""
        return self.standing.codes.get(topic.permission, ())

    # -- What it is told -----------------------------------------------------------------------------------------------

    def answer(self, kind: str, data: dict[str, Any]) -> None:
        """Queue a frame that answers its client."""
        self._answers.append((kind, data))
        if len(self._answers) > MOST_ANSWERS:
            self.let_go()
        self._news.set()

    def tell(self, topic: Topic, version: str, ids: dict[str, list[str]]) -> None:
        """A topic has another version now."""
        self.known[topic] = version
        waiting = self._changes.setdefault(topic, {})
        for part, found in ids.items():
            kept = waiting.setdefault(part, set())
            # One more than is told, so that it is known that there are more.
            kept.update(found[: MOST_IDS + 1 - len(kept)])
        self._news.set()

    def drop(self, topic: Topic) -> None:
        """A topic is not there any more, for this watcher."""
        self.forget([topic])
        self.answer("gone", {"topics": [str(topic)]})

    def let_go(self) -> None:
        """The client is too slow; it may come back with the versions it has."""
        self.close(TOO_SLOW, f"Too slow; the last frame was {self.seq}. Subscribe again with the versions you have.")

    def close(self, code: int, reason: str) -> None:
        """End the socket with this code; what waits for it is dropped."""
        if self.closing is None:
            self.closing = code, reason
            self._answers.clear()
            self._changes.clear()
            if self.sender is not None:
                self.sender.cancel()

    def look_at_the_clock(self) -> None:
        """Let go of a client that takes nothing, says nothing, or has been here for long."""
        now = time.monotonic()
        if self._sending_since is not None and now - self._sending_since > STUCK_S:
            self.let_go()
        elif now - self._heard_at > IDLE_S:
            self.close(TOO_LONG_OPEN, f'Nothing was said for {IDLE_S:.0f} s; say {{"type": "ping"}} now and then.')
        elif now - self._opened_at > LONGEST_S:
            self.close(TOO_LONG_OPEN, "Open for long; come back with the versions you have.")

    async def send_news(self) -> None:
        """Send what is queued, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._answers:
                await self._frame(*self._answers.popleft())
            if self._changes:
                changes, self._changes = self._changes, {}
                topics = {str(topic): self._change(topic, ids) for topic, ids in changes.items()}
                await self._frame("changed", {"topics": topics})

    def _change(self, topic: Topic, ids: dict[str, set[str]]) -> dict[str, Any]:
        told = {part: sorted(found)[:MOST_IDS] for part, found in ids.items()}
        more = any(len(found) > MOST_IDS for found in ids.values())
        return {"version": self.known[topic], "ids": told, **({"more": True} if more else {})}

    async def _frame(self, kind: str, data: dict[str, Any]) -> None:
        self.seq += 1
        self._sending_since = time.monotonic()
        await self._send({"type": "websocket.send", "text": envelope(kind, self.seq, orjson.dumps(data))})
        self._sending_since = None
