"""Whatever answers below /api/: errors of Django itself become problem details too, and nothing is kept by caches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.api.problems import BY_STATUS, MEDIA_TYPE, Problem, problem_response

PREFIX = "/api/"
#: Where programs send secrets. Over plain HTTP they are refused, not redirected, or nobody would notice.
HTTPS_ONLY = (PREFIX, "/oauth/token/", "/oauth/revoke/")
#: What a bare status says to who asked.
DETAILS = {
    "bad-request": "The request is not one this site can answer: look at its address, its host and its headers.",
    "not-found": "There is nothing at this address; /api/v1/openapi.json lists what there is.",
    "method-not-allowed": "Look at the header Allow for the methods of this address.",
    "too-large": "Send less at once.",
}


class ProblemMiddleware:
    """Outermost, so that it sees what the others refuse."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._answer(request)
        return _told(request, _in_the_clear(request) or self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return _told(request, _in_the_clear(request) or await self.get_response(request))


def _in_the_clear(request: HttpRequest) -> HttpResponseBase | None:
    if not settings.SECURE_SSL_REDIRECT or request.is_secure() or not request.path.startswith(HTTPS_ONLY):
        return None
    return problem_response(request, Problem("https-required", "Use https://, and replace what you have just sent."))


def _told(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not request.path.startswith(PREFIX):
        return response
    if response.status_code >= 400 and response.headers.get("Content-Type") != MEDIA_TYPE:
        kind = BY_STATUS.get(response.status_code, "server-error" if response.status_code >= 500 else "bad-request")
        problem = Problem(kind, DETAILS.get(kind, "The request was refused."))
        problem.headers = {
            name: response.headers[name] for name in ("Allow", "Retry-After") if name in response.headers
        }
        response = problem_response(request, problem)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
