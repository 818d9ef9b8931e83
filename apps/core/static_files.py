"""Static files, served by the web process itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware


class StaticFilesMiddleware:
    """ServeStatic's middleware, which knows event loops only, for a chain without one as well.

    There, only a request for a static file gets an event loop; Django would start one for every request otherwise.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        self.files = ServeStaticMiddleware(get_response if self.is_async else sync_to_async(get_response))

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._with_loop(request)
        if request.path_info.startswith(self.files.static_prefix):
            return async_to_sync(self._with_loop)(request)
        answer: HttpResponseBase = self.get_response(request)
        return answer

    async def _with_loop(self, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = await self.files(request)
        return answer
