"""The shape of everything that is sent, and the last word of a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from apps.console.log_viewer.rows import now_text

Send = Callable[[dict[str, Any]], Awaitable[None]]

CLOSE_S = 30.0


def envelope(kind: str, seq: int, data: bytes) -> str:
    """A frame. `seq` is where its receiver is when it has this frame: the number of a line, or of a frame."""
    return f'{{"type":"{kind}","seq":{seq},"at":"{now_text()}","data":{data.decode()}}}'


async def say_why(send: Send, closing: tuple[int, str]) -> None:
    """Close with a code and a reason."""
    code, reason = closing
    # A client that reads nothing at all is not waited for any longer; its connection ends without a word.
    with contextlib.suppress(TimeoutError, OSError, RuntimeError):
        await asyncio.wait_for(send({"type": "websocket.close", "code": code, "reason": reason}), CLOSE_S)
