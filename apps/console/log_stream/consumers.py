"""The WebSocket `/ws/runtimes/<id>/log`: opened, listened to, closed. Lines come from the hub."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import parse_qs

import orjson
import structlog
from django.db import Error as DatabaseFailure

from apps.console.log_stream.access import admit_pass
from apps.console.log_stream.feed import Feed
from apps.console.log_stream.hub import MOST_VIEWERS, Hub, running_hub
from apps.console.log_stream.viewer import Viewer, data_frame
from apps.console.sockets.codes import BAD_MESSAGE, TRY_AGAIN_LATER
from apps.console.sockets.door import enter
from apps.console.sockets.envelope import Send, say_why

log = structlog.get_logger("log_stream")

LONGEST_MESSAGE = 64 * 1024
FIRST_MESSAGE_S = 10.0
EXPECTED = 'Say {"type": "follow", "after": <the last line you have>}.'


class RunLogConsumer:
    """One ASGI application for all sockets; each call is one socket."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve a socket from its handshake to its end."""
        await receive()
        run_id, hub = scope["url_route"]["kwargs"]["run_id"], running_hub()
        if hub.viewer_count >= MOST_VIEWERS:
            log.warning("log_stream.full", viewers=hub.viewer_count)
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        visitor = await enter(hub.past, scope, receive, send, lambda held: admit_pass(held, run_id))
        if visitor is None:
            return
        viewer = Viewer(visitor, send)
        after: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if (asked := _after_of(scope)) is not None:
            after.set_result(asked)
        viewer.sender = asyncio.create_task(_serve(hub, run_id, viewer, after))
        listener = asyncio.create_task(_listen(receive, viewer, after))
        try:
            await asyncio.wait({viewer.sender, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (viewer.sender, listener):
                task.cancel()
            await asyncio.gather(viewer.sender, listener, return_exceptions=True)
        if viewer.closing is not None:
            await say_why(send, viewer.closing)


async def _serve(hub: Hub, run_id: str, viewer: Viewer, after: asyncio.Future[int]) -> None:
    """Greet, catch up, follow. Ends by being cancelled, or by closing the viewer."""
    try:
        async with hub.following(run_id, viewer) as feed:
            await viewer.send(_greeting(feed, after.result() if after.done() else feed.head))
            viewer.cursor = viewer.delivered = await asyncio.wait_for(after, FIRST_MESSAGE_S)
            await feed.catch_up(viewer, hub.past)
            await viewer.send_offered()
    except TimeoutError:
        viewer.close(BAD_MESSAGE, EXPECTED)
    except DatabaseFailure:
        viewer.close(TRY_AGAIN_LATER, "The database does not answer; try again.")


def _greeting(feed: Feed, seq: int) -> Any:
    data = b'{"first":%d,"head":%d,"run":%b}' % (feed.first, feed.head, feed.run_json)
    return data_frame("hello", seq, data)


async def _listen(receive: Any, viewer: Viewer, after: asyncio.Future[int]) -> None:
    """What the client says: where to begin, once. Ends when it leaves or says anything else."""
    while (message := await receive())["type"] == "websocket.receive":
        asked = _after_in(message.get("text") or message.get("bytes") or "")
        if asked is None or after.done():
            viewer.close(BAD_MESSAGE, EXPECTED)
            return
        after.set_result(asked)


def _after_in(text: str | bytes) -> int | None:
    if len(text) > LONGEST_MESSAGE:
        return None
    with contextlib.suppress(orjson.JSONDecodeError):
        said = orjson.loads(text)
        if isinstance(said, dict) and said.get("type") == "follow":
            return _cursor(said.get("after"))
    return None


def _after_of(scope: dict[str, Any]) -> int | None:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])
    return _cursor(int(values[0])) if values[0].isascii() and values[0].isdigit() and len(values[0]) < 16 else None


def _cursor(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None
