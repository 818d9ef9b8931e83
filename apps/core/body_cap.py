"""No request is larger than anybody has reason to send. Django writes a body to the disk before it looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

TOO_LARGE = "dc.too_large"

_Receive = Callable[[], Awaitable[Any]]
_App = Callable[[Any, _Receive, Any], Awaitable[Any]]


def capped(app: _App, *, limit: int) -> _App:
    """The ASGI application `app`, which is told that a body has ended where it grows past `limit` bytes.

    The request goes on without it, so that `body_cap_middleware` answers as this site answers.
    """

    async def answer(scope: Any, receive: _Receive, send: Any) -> None:
        declared = _declared(scope)
        left, is_told = limit - (declared or 0), False

        async def receive_some() -> Any:
            nonlocal left, is_told
            if is_told:
                await asyncio.Event().wait()  # Django listens for the client to go, and ends this when it has answered.
            if left >= 0:
                message = await receive()
                left -= 0 if declared is not None else len(message.get("body", b""))
            if left >= 0:
                return message
            scope[TOO_LARGE] = is_told = True
            return {"type": "http.request", "body": b"", "more_body": False}

        await app(scope, receive_some, send)

    return answer


def _declared(scope: Any) -> int | None:
    """What the header says; the server lets no more than that through."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else None


@sync_and_async_middleware
def body_cap_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answers requests that were cut off, before anything reads them."""
    if iscoroutinefunction(get_response):

        async def serve_async(request: HttpRequest) -> Any:
            return _refused(request) or await get_response(request)

        return serve_async

    def serve(request: HttpRequest) -> Any:
        return _refused(request) or get_response(request)

    return serve


def _refused(request: HttpRequest) -> HttpResponse | None:
    if not getattr(request, "scope", {}).get(TOO_LARGE):
        return None
    return HttpResponse("The request is too large.\n", status=413, content_type="text/plain; charset=utf-8")
