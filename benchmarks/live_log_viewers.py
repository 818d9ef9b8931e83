"""200 viewers in one process: `python -m benchmarks.live_log_viewers URL COUNT SECONDS`, session keys on stdin.

A frame holds `@<seconds since 1970>` in its first line; the delays of the last SECONDS are printed as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from urllib.parse import urlsplit

import orjson
import uvloop
from websockets.asyncio.client import connect
from websockets.typing import Origin


async def follow(url: str, key: str, delays: list[float], begin: float, end: float) -> None:
    """One viewer."""
    origin = Origin(f"http://{urlsplit(url).netloc}")
    headers = {"Cookie": f"sessionid={key}"}
    async with connect(url, origin=origin, additional_headers=headers, compression=None, max_size=None) as socket:
        while (left := end - time.time()) > 0:
            try:
                frame = await asyncio.wait_for(socket.recv(decode=False), left)
            except TimeoutError:
                return
            now = time.time()
            at = frame.find(b"@")
            if at >= 0 and now > begin:
                delays.append(1000 * (now - float(frame[at + 1 : at + 18])))


async def main(url: str, count: int, seconds: float) -> list[float]:
    """All of them; they settle for six seconds before they measure."""
    keys = orjson.loads(sys.stdin.buffer.read())
    delays: list[float] = []
    begin = time.time() + 6
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(follow(url, keys[number % len(keys)], delays, begin, begin + seconds))
            await asyncio.sleep(0.005)
    return delays


if __name__ == "__main__":
    found = uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.buffer.write(orjson.dumps(found))
