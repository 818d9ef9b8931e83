"""The limit of the live log: an ASGI application that sends the same ready-made frame to all its sockets.

`python -m benchmarks.live_log_bare PORT LINES PAUSE`; no database, no permission, no queue for slow clients.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import orjson
import uvicorn

sockets: set[Any] = set()
sending: list[asyncio.Task[None]] = []
LINE = {
    "n": 1,
    "at": 1,
    "level": 20,
    "logger": "source.x",
    "text": "",
    "fields": {"url": "https://shop.example/catalogue/17"},
}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One socket."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    if not sending:
        sending.append(asyncio.create_task(fan_out()))
    sockets.add(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    sockets.discard(send)


async def fan_out() -> None:
    """A frame every so often."""
    lines, pause = int(sys.argv[2]), float(sys.argv[3])
    while True:
        stamped = [{**LINE, "text": f"@{time.time():.6f} page fetched"} for _ in range(lines)]
        message = {"type": "websocket.send", "text": orjson.dumps({"type": "lines", "data": stamped}).decode()}
        for send in list(sockets):
            try:
                await send(message)
            except OSError:
                sockets.discard(send)
        await asyncio.sleep(pause)


if __name__ == "__main__":
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        log_config=None,
        lifespan="off",
        access_log=False,
        ws_per_message_deflate=False,
    )
