"""The WebSocket `/ws/dashboard`: opened, listened to, closed. What changes comes from the hub."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import orjson
import structlog

from apps.console.dashboard.hub import MOST_WATCHERS, Hub, admit, running_hub
from apps.console.dashboard.topics import topic_of
from apps.console.dashboard.watcher import MOST_TOPICS, PING_S, Watcher
from apps.console.sockets.codes import BAD_MESSAGE, TRY_AGAIN_LATER
from apps.console.sockets.door import enter
from apps.console.sockets.envelope import Send, say_why

log = structlog.get_logger("dashboard")

LONGEST_MESSAGE = 64 * 1024
LONGEST_NAME = 64
EXPECTED = 'Say {"type": "subscribe", "topics": [...]}, "unsubscribe" or "ping".'


class DashboardConsumer:
    """One ASGI application for all sockets; each call is one socket."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve a socket from its handshake to its end."""
        await receive()
        hub = running_hub()
        if len(hub.watchers) >= MOST_WATCHERS:
            log.warning("dashboard.full", watchers=len(hub.watchers))
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        entered = await enter(hub.guard, scope, receive, send, admit)
        if entered is None:
            return
        watcher = Watcher(*entered, send)
        watcher.answer("hello", {"ping_s": PING_S, "most_topics": MOST_TOPICS})
        async with hub.watched_by(watcher):
            watcher.sender = asyncio.create_task(watcher.send_news())
            listener = asyncio.create_task(_listen(receive, hub, watcher))
            try:
                await asyncio.wait({watcher.sender, listener}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (watcher.sender, listener):
                    task.cancel()
                await asyncio.gather(watcher.sender, listener, return_exceptions=True)
        if watcher.closing is not None:
            await say_why(send, watcher.closing)


async def _listen(receive: Any, hub: Hub, watcher: Watcher) -> None:
    """What the client says. Ends when it leaves, or says what nobody understands."""
    while (message := await receive())["type"] == "websocket.receive":
        if not watcher.hear():
            return
        if not _obey(hub, watcher, message.get("text") or message.get("bytes") or ""):
            watcher.close(BAD_MESSAGE, EXPECTED)
            return


def _obey(hub: Hub, watcher: Watcher, text: str | bytes) -> bool:
    """Do what a message says; False when it is none."""
    said: Any = None
    if len(text) <= LONGEST_MESSAGE:
        with contextlib.suppress(orjson.JSONDecodeError):
            said = orjson.loads(text)
    if not isinstance(said, dict):
        return False
    match said.get("type"):
        case "ping":
            watcher.answer("pong", {})
            return True
        case "subscribe" if (names := _names(said.get("topics"))) is not None:
            _subscribe(hub, watcher, names)
            return True
        case "unsubscribe" if (names := _names(said.get("topics"))) is not None:
            watcher.forget(topic for topic in map(topic_of, names) if topic is not None)
            return True
    return False


def _names(topics: Any) -> list[str] | None:
    """Names of topics; None when it is something else."""
    if not isinstance(topics, list) or len(topics) > 2 * MOST_TOPICS:
        return None
    return topics if all(isinstance(name, str) and len(name) <= LONGEST_NAME for name in topics) else None


def _subscribe(hub: Hub, watcher: Watcher, names: list[str]) -> None:
    """The next look answers for what there is; what there is not is said at once."""
    refused = {name: "unknown" for name in names if topic_of(name) is None}
    left_out = watcher.ask(topic for topic in map(topic_of, names) if topic is not None)
    refused |= {str(topic): "too_many" for topic in left_out}
    if refused or not watcher.asked:
        watcher.answer("subscribed", {"topics": {}, "refused": refused})
    if watcher.asked:
        hub.ring()
