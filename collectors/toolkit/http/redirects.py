"""The request that a redirect leads to (RFC 9110, 15.4)."""

from __future__ import annotations

import httpx

from collectors.toolkit.http.faults import Fault, WireFault

#: What describes a body, and goes with it.
_OF_BODY = ("Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Transfer-Encoding")


def next_request(page: httpx.Response, location: str) -> httpx.Request:
    """The request for `location`. Raises `WireFault` if that is no web address."""
    asked = page.request
    try:
        url = asked.url.join(location)
    except httpx.InvalidURL:
        raise WireFault(Fault.URL, f"it redirects to {location[:200]!r}, which is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise WireFault(Fault.URL, f"it redirects to {location[:200]!r}, which is not a web address")
    if asked.url.fragment and not url.fragment:
        url = url.copy_with(fragment=asked.url.fragment)
    headers = asked.headers.copy()
    for name in ("Cookie", "Host"):
        headers.pop(name, None)
    if (url.scheme, url.host, url.port) != (asked.url.scheme, asked.url.host, asked.url.port):
        headers.pop("Authorization", None)
        headers.pop("Proxy-Authorization", None)
    method = _next_method(asked.method, page.status_code)
    body = asked.content
    if method != asked.method:
        body = b""
        for name in _OF_BODY:
            headers.pop(name, None)
    return httpx.Request(method, url, headers=headers, content=body or None)


def _next_method(method: str, status: int) -> str:
    """Browsers turn a POST into a GET at 301 and 302, and everything but HEAD at 303."""
    if status == httpx.codes.SEE_OTHER and method != "HEAD":
        return "GET"
    if status in (httpx.codes.MOVED_PERMANENTLY, httpx.codes.FOUND) and method == "POST":
        return "GET"
    return method
