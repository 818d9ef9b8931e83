"""The one place that says what an answer, or none, means: which error, and what is best done about it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from collectors.toolkit.categories import category_of
from collectors.toolkit.errors import (
    AddressRefused,
    BadCertificate,
    BadStatus,
    BadURL,
    BlockedPage,
    BrokenAnswer,
    CaptchaPage,
    CollectError,
    FetchError,
    FetchTimeout,
    HostNotFound,
    ProxyFailed,
    Reaction,
    SiteUnreachable,
    TooLarge,
    TooManyRedirects,
)
from collectors.toolkit.http.answer import Page
from collectors.toolkit.http.faults import Fault, WireFault
from collectors.toolkit.http.pages import Kept, kept_out
from collectors.toolkit.http.profile import Profile
from collectors.toolkit.http.unsent import CircuitOpen, RobotsRefused, SiteResting

#: Statuses that pass by themselves.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
#: The site does not want this address of ours.
UNWELCOME = frozenset({403, 429})
#: Who we are is the trouble, and will be with the next page.
UNKNOWN_TO_SITE = frozenset({401})

_SENTENCES: dict[Fault, tuple[type[FetchError], str]] = {
    Fault.CONNECTION: (SiteUnreachable, "{url} cannot be reached: {reason}."),
    Fault.HOST: (HostNotFound, "{url} cannot be reached: {reason}."),
    Fault.TLS: (BadCertificate, "{url} cannot be trusted: {reason}."),
    Fault.PROXY: (ProxyFailed, "{url} was not fetched: {reason}."),
    Fault.PROXY_AUTH: (ProxyFailed, "{url} was not fetched: the proxy does not accept our name and password."),
    Fault.TIMEOUT: (FetchTimeout, "{url} did not answer within {silence:g} s."),
    Fault.DEADLINE: (FetchTimeout, "{url} was not complete within {seconds:g} s."),
    Fault.ANSWER: (BrokenAnswer, "{url} gave an answer that cannot be read: {reason}."),
    Fault.TOO_LARGE: (TooLarge, "{url} is too large: it {reason}."),
    Fault.REDIRECTS: (TooManyRedirects, "{url} redirects without end."),
    Fault.URL: (BadURL, "{url} cannot be fetched: {reason}."),
    Fault.REFUSED: (AddressRefused, "{url} was not fetched: {reason}, and this app may not go there."),
    Fault.ROBOTS: (RobotsRefused, "{url} was not fetched: {reason}."),
    Fault.CIRCUIT: (CircuitOpen, "{url} was not fetched: {reason}."),
    Fault.RESTING: (SiteResting, "{url} was not fetched: {reason}."),
}


def error_of_fault(fault: WireFault, url: httpx.URL, profile: Profile, silence_s: float) -> FetchError:
    """The error for an exchange that brought no answer."""
    kind, sentence = _SENTENCES[fault.fault]
    shown = without_credentials(url)
    error = kind(
        sentence.format(url=shown, reason=fault.reason, silence=silence_s, seconds=profile.limits.seconds), url=shown
    )
    if fault.fault is Fault.PROXY_AUTH:
        error.reaction = Reaction.STOP
    return error


def error_of_page(page: Page, accept: Collection[int], profile: Profile) -> FetchError | None:
    """The error for an answer; None if it is welcome."""
    status = page.status_code
    if status in accept:
        return None
    kept = kept_out(page, profile)
    if kept is None and 200 <= status < 300:
        return None
    url = without_credentials(page.url)
    wait_s = retry_after(page.headers)
    if kept is not None:
        wall = CaptchaPage if kept is Kept.CAPTCHA else BlockedPage
        what = "a captcha" if kept is Kept.CAPTCHA else "a wall that keeps collectors out"
        message = f"{url} answered {status} with {what} instead of the page."
        return wall(message, url=url, status=status, retry_after_s=wait_s)
    if status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
        refused = ProxyFailed(f"{url} was not fetched: the proxy does not accept our name and password.", url=url)
        refused.reaction = Reaction.STOP
        return refused
    message = f"{url} answered {status} {page.reason_phrase}".rstrip() + "."
    return BadStatus(message, url=url, status=status, retry_after_s=wait_s, reaction=reaction_to_status(status))


def reaction_to_status(status: int) -> Reaction:
    """What is best done about an answer that is not 2xx."""
    if status in UNKNOWN_TO_SITE:
        return Reaction.STOP
    if status in UNWELCOME:
        return Reaction.ROTATE
    return Reaction.RETRY if status in PASSING else Reaction.SKIP


def reaction_to(error: BaseException) -> Reaction:
    """What is best done about any exception: ours know it, others are judged by their category."""
    if isinstance(error, CollectError):
        return error.reaction
    match category_of(error):
        case "http":
            return Reaction.RETRY
        case "proxy" | "captcha":
            return Reaction.ROTATE
        case "database" | "io" | "platform":
            return Reaction.STOP
    return Reaction.SKIP


def may_pass(error: FetchError) -> bool:
    """Whether the same request may well be answered if it is sent again, soon and from here."""
    if isinstance(error, BlockedPage | CircuitOpen | SiteResting):
        return False
    if isinstance(error, BadStatus):
        return error.status in PASSING
    return error.reaction in (Reaction.RETRY, Reaction.ROTATE)


def retry_after(headers: httpx.Headers) -> float | None:
    """The seconds that a Retry-After asks for, written as a number or as a date; None without one that can be read."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def without_credentials(url: httpx.URL) -> str:
    """The URL without user name and password, for messages."""
    return str(url.copy_with(userinfo=b"") if url.userinfo else url)
