"""Answers that look like pages and are none: walls and captchas.

Known by what nobody else sends: a header of the wall itself, or a text inside of a small page. A shop whose contact
form holds a captcha is not taken for one, because with status 200 only the marks of the walls count.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from collectors.toolkit.http.answer import Page
from collectors.toolkit.http.profile import Profile

#: Walls are small; a page that quotes a mark in the middle of an article is not.
_LARGEST_WALL = 64 * 1024
#: Statuses under which walls answer, Cloudflare's among them.
_WALL_STATUSES = frozenset({401, 403, 405, 406, 429, 503})

_OF_WALLS = frozenset({b"x-amzn-waf-action", b"cf-mitigated"})
#: Whatever the status.
_WALLS = (b"_Incapsula_Resource", b"/_sec/cp_challenge/", b"captcha-delivery.com/captcha/")
#: With a status that refuses.
_CAPTCHAS = (b"g-recaptcha", b"h-captcha", b"cf-turnstile", b"captcha-delivery.com", b"px-captcha", b"/recaptcha/api")
_CHALLENGES = (b"/cdn-cgi/challenge-platform/", b"<title>Just a moment...", b"Attention Required! | Cloudflare")
_CAPTCHA_WALLS = frozenset({b"captcha-delivery.com/captcha/"})


class Kept(Enum):
    """What keeps us out."""

    WALL = auto()
    CAPTCHA = auto()


def kept_out(page: Page, profile: Profile) -> Kept | None:
    """What stands there instead of the page; None if it may well be the page."""
    if not page.header_names.isdisjoint(_OF_WALLS):
        action = page.headers.get("x-amzn-waf-action", "")
        if action in ("captcha", "challenge"):
            return Kept.CAPTCHA if action == "captcha" else Kept.WALL
        if page.headers.get("cf-mitigated") == "challenge":
            return Kept.WALL
    if profile.captcha_marks and _holds(page.content, [mark.encode() for mark in profile.captcha_marks]):
        return Kept.CAPTCHA
    if profile.blocked_marks and _holds(page.content, [mark.encode() for mark in profile.blocked_marks]):
        return Kept.WALL
    return None if len(page.content) > _LARGEST_WALL else _in_body(page.content, page.status_code)


def _in_body(body: bytes, status: int) -> Kept | None:
    for mark in _WALLS:
        if mark in body:
            return Kept.CAPTCHA if mark in _CAPTCHA_WALLS else Kept.WALL
    if status in _WALL_STATUSES:
        if _holds(body, _CAPTCHAS):
            return Kept.CAPTCHA
        if _holds(body, _CHALLENGES):
            return Kept.WALL
    return None


def _holds(body: bytes, marks: Sequence[bytes]) -> bool:
    return any(mark in body for mark in marks)
