"""What every request of a person begins with: whom the audit names, and whether their session is still good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from apps.accounts import audit
from apps.accounts.address import client_address
from apps.core.clock import utc_now
from apps.core.live import HEADER

BEGAN, SEEN = "session_began", "session_seen"
#: Looking at the clock with every request would write the session with every request.
NOTED_EVERY = timedelta(minutes=1)
#: Parts of pages that ask for themselves: a page that is left open is nobody at work.
BY_THEMSELVES = ("/live/",)

_Next = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def audit_middleware(get_response: _Next) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Entries of the audit that are written for a request say where it came from."""
    if iscoroutinefunction(get_response):

        async def serve_async(request: HttpRequest) -> HttpResponse:
            with audit.asking(address=client_address(request.META)):
                response: HttpResponse = await get_response(request)
                return response

        return serve_async

    def serve(request: HttpRequest) -> HttpResponse:
        with audit.asking(address=client_address(request.META)):
            response: HttpResponse = get_response(request)
            return response

    return serve


class SessionAgeMiddleware(MiddlewareMixin):
    """A session ends some time after the last page that was opened, and some time after signing in in any case.

    Both are kept as the moment when the session's row ends, so that WebSockets, which have no requests, end with it.
    """

    def process_request(self, request: HttpRequest) -> None:
        session = request.session
        if "_auth_user_id" not in session:
            return
        now = utc_now()
        began = _moment(session.get(BEGAN)) or now
        ends = began + timedelta(seconds=settings.SESSION_COOKIE_AGE)
        if ends <= now:
            logout(request)
            return
        seen = _moment(session.get(SEEN))
        is_by_itself = HEADER in request.headers or request.path.endswith(BY_THEMSELVES)
        if seen is not None and (now - seen < NOTED_EVERY or is_by_itself):
            return
        session[BEGAN], session[SEEN] = began.timestamp(), now.timestamp()
        session.set_expiry(min(ends, now + timedelta(minutes=settings.DC_SESSION_IDLE_MIN)))


def _moment(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, (int, float)) else None
