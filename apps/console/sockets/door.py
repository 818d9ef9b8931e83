"""The way in: a page of ours by its session, before anything is accepted; a program by a ticket, as its first message.

A program says that it will show a ticket by asking for the subprotocol `ticket`, so that a stranger who says nothing is
refused before anything is accepted. Browsers name their origin whatever a page asks them to do: who names one, or sends
a session along, is held to both, and no ticket helps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import orjson
import structlog
from django.db import Error as DatabaseFailure

from apps.console.log_stream.reader import Reader
from apps.console.sockets.codes import BAD_MESSAGE, NOT_ALLOWED, SIGNED_OUT, TRY_AGAIN_LATER
from apps.console.sockets.envelope import Send, say_why
from apps.console.sockets.passes import Pass, pass_of_session, pass_of_ticket, session_key_of

log = structlog.get_logger("sockets")

_T = TypeVar("_T")

SUBPROTOCOL = "ticket"
TICKET_S = 5.0
#: Sockets that were accepted and have not shown a ticket yet.
MOST_WAITING = 100
LONGEST_TICKET_MESSAGE = 1024
EXPECTED = 'Say {"type": "ticket", "ticket": <what POST /api/v1/tickets gave you>} first.'

_waiting: set[object] = set()


async def enter(
    reader: Reader, scope: dict[str, Any], receive: Any, send: Send, admit: Callable[[Pass], _T | None]
) -> _T | None:
    """What `admit` makes of whoever knocks, with the socket accepted; None when they were refused and told so.

    `admit` reads the database, in the thread of `reader`.
    """
    try:
        if not shows_ticket(scope):
            found = await reader.call(_of_session, scope, admit)
            await send({"type": "websocket.close"} if found is None else {"type": "websocket.accept"})
            return found
        if len(_waiting) < MOST_WAITING:
            return await _enter_by_ticket(reader, receive, send, admit)
        log.warning("sockets.too_many_without_a_ticket")
    except DatabaseFailure as error:
        log.warning("sockets.not_admitted", reason=str(error).strip().partition("\n")[0])
    await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
    return None


def shows_ticket(scope: Mapping[str, Any]) -> bool:
    """Whether it is a program that will show a ticket, and cannot be a page in a browser."""
    names = {name for name, _value in scope["headers"]}
    return SUBPROTOCOL in scope.get("subprotocols", ()) and b"origin" not in names and not session_key_of(scope)


def _of_session(scope: Mapping[str, Any], admit: Callable[[Pass], _T | None]) -> _T | None:
    held = pass_of_session(scope)
    return None if held is None else admit(held)


async def _enter_by_ticket(reader: Reader, receive: Any, send: Send, admit: Callable[[Pass], _T | None]) -> _T | None:
    me = object()
    _waiting.add(me)
    try:
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        ticket = await _ticket(receive)
        if ticket is None:
            await say_why(send, (BAD_MESSAGE, EXPECTED))
            return None
        held = await reader.call(pass_of_ticket, ticket)
        if held is None:
            await say_why(send, (SIGNED_OUT, "This ticket is unknown, used or over; get another one."))
            return None
        found = await reader.call(admit, held)
        if found is None:
            await say_why(send, (NOT_ALLOWED, "This token may not do that."))
        return found
    finally:
        _waiting.discard(me)


async def _ticket(receive: Callable[[], Awaitable[dict[str, Any]]]) -> str | None:
    try:
        message = await asyncio.wait_for(receive(), TICKET_S)
    except TimeoutError:
        return None
    text = message.get("text") or message.get("bytes") or ""
    if len(text) <= LONGEST_TICKET_MESSAGE:
        with contextlib.suppress(orjson.JSONDecodeError):
            said = orjson.loads(text)
            if isinstance(said, dict) and said.get("type") == "ticket" and isinstance(said.get("ticket"), str):
                return str(said["ticket"])
    return None
