"""How a request goes, from the first attempt to the answer: every rule, and not one byte of input or output.

A flow is a generator. It yields what is to be done next (`steps.py`) and is sent what came of it. Two drivers of a few
lines each (`client.py`) do it, one plainly and one in an event loop, so both follow the same rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import httpx

from collectors.toolkit.errors import BadURL, FetchError, NoProxy
from collectors.toolkit.http.again import wait_before_next
from collectors.toolkit.http.answer import Exchange, Page, PlainGet, RawHeaders
from collectors.toolkit.http.call import Call
from collectors.toolkit.http.faults import Fault, WireFault
from collectors.toolkit.http.guard import is_written, refusal
from collectors.toolkit.http.observing import Attempt
from collectors.toolkit.http.pacing import paced
from collectors.toolkit.http.profile import LeasedProxy, Profile, Proxy
from collectors.toolkit.http.redirects import next_request
from collectors.toolkit.http.session import Session
from collectors.toolkit.http.steps import Flow, Wait, Way
from collectors.toolkit.http.urls import read_url
from collectors.toolkit.http.verdicts import error_of_fault, error_of_page, without_credentials
from collectors.toolkit.politeness.turns import Errand

#: A redirect is an answer of its own; so is 304 to somebody who asked for it.
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_A_WEB_ADDRESS = "it has to begin with http:// or https://"


def flow(call: Call, session: Session, proxy: Proxy | None, *, is_leasing: bool = False) -> Flow:
    """Attempts until there is a welcome answer, or an error that will not pass; that one is raised."""
    attempts = 0
    error: FetchError | None = None
    profile, headers, raw = session.look
    request = built(call, headers, raw)
    has_own_cookies = bool(call.content) and "cookie" in request.headers
    while True:
        attempts += 1
        began = time.perf_counter()
        trip = _Trip(call, session, profile, proxy, request.url, is_leasing=is_leasing)
        page: Page | None = None
        cause: WireFault | None = None
        try:
            page = yield from trip.go(request)
            error = error_of_page(page, call.accept, profile)
        except NoProxy as none:
            session.metrics.add(elapsed_s=time.perf_counter() - began, ok=False, host=request.url.host)
            # What the site said to the last address tells more than that there is no other one.
            raise error or none from none
        except WireFault as fault:
            cause, error = fault, error_of_fault(fault, trip.at, profile, trip.silence_s)
        wait_s = None if error is None else wait_before_next(error, attempts, call, profile.retries, rotates=is_leasing)
        elapsed_s = time.perf_counter() - began - trip.waited_s
        session.metrics.add(
            elapsed_s=elapsed_s,
            ok=error is None,
            host=request.url.host,
            status=None if page is None else page.status_code,
            proxy=trip.proxy_label,
            is_final=wait_s is None,
            waited_s=trip.waited_s,
        )
        if session.observers or trip.is_leased:
            session.tell(trip.outcome(page, error, elapsed_s))
        if error is None and page is not None:
            page.elapsed = timedelta(seconds=elapsed_s)
            return page
        if error is not None and (wait_s is None or not (yield Wait(wait_s))):
            raise error from cause
        if call.rewind is not None:
            call.rewind()
        if not has_own_cookies:
            request.headers.pop("cookie", None)  # they may have changed


def built(call: Call, headers: httpx.Headers, raw: RawHeaders) -> httpx.Request:
    """The request to send first. Raises `BadURL`."""
    try:
        url = read_url(call.url)
    except (httpx.InvalidURL, TypeError):
        raise BadURL(f"{call.url!r} is not a URL.", url=str(call.url)) from None
    if url.scheme not in ("http", "https") or not url.host:
        shown = without_credentials(url)
        raise BadURL(f"{shown} cannot be fetched: {_NOT_A_WEB_ADDRESS}.", url=shown)
    if not call.content and call.method == "GET":
        return PlainGet(url, raw)
    content = dict(call.content)
    headers = headers.copy()
    headers.update(content.pop("headers", None))
    request = httpx.Request(call.method, url, headers=headers, **content)
    request.read()
    return request


class _Trip:
    """One attempt: the request, what its authentication asks for, and the redirects, by one deadline."""

    def __init__(
        self,
        call: Call,
        session: Session,
        profile: Profile,
        proxy: Proxy | None,
        first: httpx.URL,
        *,
        is_leasing: bool = False,
    ) -> None:
        self._call, self._session, self._profile, self._proxy = call, session, profile, proxy
        self._is_leasing = is_leasing
        self._deadline = time.monotonic() + self._profile.limits.seconds
        self.silence_s = call.timeout_s or self._profile.timeout_s
        self.proxy_label = ""
        self._way: Proxy | None = None
        self._sent = self._received = 0
        self.at = first
        """Where it is."""
        self.waited_s = 0.0
        """For turns; the deadline moves by as much."""

    def go(self, request: httpx.Request) -> Flow:
        history: list[httpx.Response] = []
        first, auth = request.url, self._auth_for(request.url)
        while True:
            page = yield from self._once(request) if auth is None else self._authenticated(request, auth)
            is_redirect = page.status_code in _REDIRECTS and b"location" in page.header_names
            if not is_redirect or not self._call.follow_redirects:
                page.history = history
                return page
            if len(history) >= self._profile.limits.redirects:
                self.at = first
                raise WireFault(Fault.REDIRECTS)
            history.append(page)
            request = next_request(page, page.headers["location"])
            auth = auth if _same_origin(first, request.url) else self._auth_for(request.url, is_redirect=True)

    def _authenticated(self, request: httpx.Request, auth: httpx.Auth) -> Flow:
        steps = auth.auth_flow(request)
        try:
            request = next(steps)
            while True:
                page = yield from self._once(request)
                try:
                    request = steps.send(page)
                except StopIteration:
                    return page
        finally:
            steps.close()

    def _once(self, request: httpx.Request) -> Flow:
        url = self.at = request.url
        proxy: Proxy | None
        if self._is_leasing:
            found = yield Way(url)
            if isinstance(found, NoProxy):
                raise found
            assert isinstance(found, Proxy)  # noqa: S101 - what the drivers answer to a Way
            proxy = found
        else:
            proxy = self._proxy or self._session.proxy_for(url)
        self._way = proxy
        if proxy is not None:
            self.proxy_label = proxy.label
            refuse_what_is_over(proxy)
        if proxy is not None or is_written(url.host):
            why = refusal(url.host, self._profile.allowed)
            if why:
                raise WireFault(Fault.REFUSED, why)
        if self._session.has_cookies and "cookie" not in request.headers:
            self._session.cookies.set_cookie_header(request)
        page = yield from self._exchange(request, proxy)
        if b"set-cookie" in page.header_names:
            self._session.cookies.extract_cookies(page)
        return page

    @property
    def is_leased(self) -> bool:
        """Whether somebody wants to know what came of the proxy."""
        return isinstance(self._way, LeasedProxy)

    def _exchange(self, request: httpx.Request, proxy: Proxy | None) -> Flow:
        """Wait for the turn, if there are turns, and send it."""
        manners = self._session.manners
        if manners is None:
            return (yield from self._send(request, proxy, self._call.sink))
        profile, headers, raw = self._session.look
        errand = Errand(
            request.url,
            "direct" if proxy is None else proxy.label,
            headers.get("user-agent", ""),
            profile.retries.longest_asked_s,
            profile.limits.seconds,
            lambda url: self._send(PlainGet(url, raw), proxy),
        )
        return (yield from paced(manners, errand, self._send(request, proxy, self._call.sink), self._put_off))

    def _put_off(self, waited_s: float) -> None:
        self.waited_s += waited_s
        self._deadline += waited_s

    def _send(self, request: httpx.Request, proxy: Proxy | None, sink: Callable[[bytes], object] | None = None) -> Flow:
        exchange = Exchange(request, proxy, self._deadline, self.silence_s, self._profile.limits.bytes, sink)
        page = yield exchange
        if self._session.observers or self.is_leased:
            sent, received = exchange.sizes(page if isinstance(page, Page) else None)
            self._sent, self._received = self._sent + sent, self._received + received
        if isinstance(page, WireFault):
            raise page
        assert isinstance(page, Page)  # noqa: S101 - what the drivers answer to an Exchange
        return page

    def outcome(self, page: Page | None, error: FetchError | None, elapsed_s: float) -> Attempt:
        """What came of it, for those who look on."""
        status, size = (None, 0) if page is None else (page.status_code, page.num_bytes_downloaded)
        return Attempt(self.at, self._way, status, error, elapsed_s, size, self._sent, self._received)

    def _auth_for(self, url: httpx.URL, *, is_redirect: bool = False) -> httpx.Auth | None:
        """The author's, for the host it is meant for; or what the URL itself says. Never for whom a redirect names."""
        own, profile = self._call.auth, self._profile
        if own is None and profile.auth is not None and profile.auth_host in ("", url.host):
            own = None if is_redirect and not profile.auth_host else profile.auth
        elif is_redirect:
            own = None
        if own is None and url.userinfo and not is_redirect:
            return httpx.BasicAuth(url.username, url.password)
        return own


def refuse_what_is_over(proxy: Proxy) -> None:
    """An address may be somebody else's as soon as its lease is over. Raises `WireFault`."""
    if isinstance(proxy, LeasedProxy) and proxy.lease is not None and proxy.lease.is_over:
        raise WireFault(Fault.PROXY, f"the lease of {proxy.label} is over")


def _same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
