"""Fetching a robots.txt, which takes turns like every request."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from collectors.toolkit.http.answer import Page
from collectors.toolkit.http.faults import Fault, WireFault
from collectors.toolkit.http.steps import Step
from collectors.toolkit.http.verdicts import retry_after
from collectors.toolkit.politeness.ledger import RobotsText
from collectors.toolkit.politeness.robots import MOST_BYTES
from collectors.toolkit.politeness.turns import Came, Errand

if TYPE_CHECKING:
    from collectors.toolkit.politeness.manners import Manners

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def robots_text(manners: Manners, errand: Errand, url: httpx.URL, hops: int) -> Generator[Step, Any, RobotsText]:
    """The file, behind redirects. Raises `WireFault` where there is no answer: then the site is not fetched from."""
    page = yield from _fetched(manners, replace(errand, url=url))
    target = page.headers.get("location") if page.status_code in _REDIRECTS else None
    if target is None:
        text = page.content[:MOST_BYTES].decode("utf-8-sig", "replace")
        return RobotsText(page.status_code, text if page.is_success else "")
    try:
        url = url.join(target)
    except httpx.InvalidURL:
        return RobotsText(404, "")
    if hops == 0 or url.scheme not in ("http", "https"):
        return RobotsText(404, "")  # RFC 9309, 2.3.1.2: as if there were none
    return (yield from robots_text(manners, errand, url, hops - 1))


def _fetched(manners: Manners, errand: Errand) -> Generator[Step, Any, Page]:
    turn = yield from manners.turn(errand)
    began = time.perf_counter()
    try:
        page = yield from errand.fetch(errand.url)
    except WireFault as fault:
        yield from manners.after(turn, Came(None, fault.fault, time.perf_counter() - began))
        if fault.fault is Fault.TOO_LARGE:
            return Page(404, [], b"", request=httpx.Request("GET", errand.url), version=b"HTTP/1.1", reason=b"")
        raise
    elapsed_s = time.perf_counter() - began
    yield from manners.after(turn, Came(page.status_code, None, elapsed_s, retry_after(page.headers)))
    return page
