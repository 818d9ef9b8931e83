"""What every answer tells browsers, whoever made it: docs/security.md and decision 0026.

The policies hold no nonce and no 'unsafe-inline', so nothing that is written into a page runs: scripts and styles are
files, and what they need to know stands in `data-` attributes or in `json_script`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

ADMIN = "/admin/"
#: Answers that a cache may keep: files say for how long, and the shop is there to be fetched.
PUBLIC = ("/static/", "/demo/")
HEADER = "Content-Security-Policy"

PAGE_POLICY: dict[str, tuple[str, ...]] = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "font-src": ("'self'",),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
#: Alpine.js, of the theme, makes functions of the expressions in its attributes.
ADMIN_POLICY = {**PAGE_POLICY, "script-src": ("'self'", "'unsafe-eval'")}
#: Data and files are not pages: should one be shown as such, it loads nothing and runs nothing.
DATA_POLICY: dict[str, tuple[str, ...]] = {"default-src": ("'none'",), "frame-ancestors": ("'none'",)}

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def written(policy: dict[str, tuple[str, ...]]) -> str:
    """A policy as the header holds it."""
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items())


def page_policy(*, forms_lead_to: str) -> str:
    """The policy of a page whose form is answered with a redirect to another site: browsers look at that too."""
    return written({**PAGE_POLICY, "form-action": ("'self'", forms_lead_to)})


_PAGE, _ADMIN, _DATA = written(PAGE_POLICY), written(ADMIN_POLICY), written(DATA_POLICY)


class HeadersMiddleware:
    """Stands outside of whatever answers. A view that sets one of these headers knows better."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self._answer(request) if self.is_async else _told(request, self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return _told(request, await self.get_response(request))


def _told(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    policy = (_ADMIN if request.path.startswith(ADMIN) else _PAGE) if is_page else _DATA
    response.headers.setdefault(HEADER, policy)
    if not request.path.startswith(PUBLIC):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
