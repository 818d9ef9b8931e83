"""The HTTP client of sources: the rules of `flow.py`, carried out plainly and in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from collectors.contract import Proxies
from collectors.toolkit.errors import FetchError, ProxyFailed, Reaction
from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.call import as_call
from collectors.toolkit.http.faults import WireFault
from collectors.toolkit.http.flow import flow as flow_of
from collectors.toolkit.http.hurry import hurried, paused, waited
from collectors.toolkit.http.metrics import RequestMetrics
from collectors.toolkit.http.profile import Profile, Proxy
from collectors.toolkit.http.session import Session
from collectors.toolkit.http.steps import Ask, Flow, Wait
from collectors.toolkit.http.ways import Ways
from collectors.toolkit.http.wires import Transports, Wires


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a request, and what is best done next; for authors who would rather not catch errors."""

    reaction: Reaction
    page: httpx.Response | None = None
    error: FetchError | None = None


class Request:
    """One client, for one thread. Redirects are followed; an answer that is not 2xx raises `BadStatus`.

    Options are those of httpx (`params`, `headers`, `cookies`, `content`, `data`, `json`, `files`, `auth`, `timeout`,
    `follow_redirects`), and `accept`: further statuses that are welcome, such as `accept={404}`; `retry`: whether the
    request may be sent again, which otherwise its method says; `sink`: a function that gets the body, piece by piece.
    Raises `FetchError`: docs/sources/http.md lists its kinds.

    Headers, cookies and `auth` are those of the session, which the clients of all threads of a run share. A proxy set
    here is this client's alone.
    """

    def __init__(
        self,
        profile: Profile | None = None,
        metrics: RequestMetrics | None = None,
        *,
        session: Session | None = None,
        transports: Transports | None = None,
    ) -> None:
        self.session = session or Session(profile, metrics)
        self._proxy: Proxy | None = None
        self._ways: Ways | None = None
        self._wires = Wires(transports or Transports())

    @property
    def profile(self) -> Profile:
        """The profile as it is now."""
        return self.session.profile

    @property
    def metrics(self) -> RequestMetrics:
        """The figures of all clients of this session."""
        return self.session.metrics

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies of the session: those that sites set, and those that the author did."""
        return self.session.cookies

    # -- Changing how requests look ---------------------------------------------------------------------------------

    def set_headers(self, headers: Mapping[str, str | None]) -> None:
        """Send these with every request from now on, beside those set before; None takes one away."""
        kept = httpx.Headers(dict(self.profile.headers))
        for name, value in headers.items():
            kept.pop(name, None)
            if value is not None:
                kept[name] = value
        self.session.change(headers=dict(kept))

    def set_cookies(self, cookies: Mapping[str, str], *, domain: str = "", path: str = "/") -> None:
        """Put these into the jar, beside those that are there. Without a domain they go to every site."""
        for name, value in cookies.items():
            self.session.cookies.set(name, value, domain=domain, path=path)

    def set_auth(self, auth: httpx.Auth | tuple[str, str] | None, *, host: str = "") -> None:
        """Authenticate by user and password, any `httpx.Auth`, or not at all (None); only to `host`, if given."""
        self.session.change(auth=httpx.BasicAuth(*auth) if isinstance(auth, tuple) else auth, auth_host=host)

    def set_proxy(self, proxy: Proxy | Proxies | str | None) -> None:
        """Go this way from now on. Cookies stay; None goes the way of the profile.

        With `context.proxies` this client leases an address for each site that it visits, and another one when that is
        worn out; setting the same again changes nothing.
        """
        if self._ways is not None and proxy is self._ways.proxies:
            return
        if self._ways is not None:
            self._ways.close()
            self._ways = None
        if proxy is None or isinstance(proxy, Proxy | str):
            self._proxy = Proxy(proxy) if isinstance(proxy, str) else proxy
        else:
            self._proxy, self._ways = None, Ways(proxy)

    def set_profile(self, **changes: Any) -> None:
        """Change anything else of the profile: `set_profile(timeout_s=5, retries=Retries(0))`."""
        self.session.change(**changes)

    # -- Fetching ---------------------------------------------------------------------------------------------------

    def get(self, url: str, **options: Any) -> httpx.Response:
        """Fetch `url`."""
        return self.send("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        """Send to `url`. Not sent again after an error, unless `retry=True` says that twice does no harm."""
        return self.send("POST", url, **options)

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Any other method."""
        return self._drive(self._flow(method, url, options))

    def attempt(self, method: str, url: str, **options: Any) -> Fetched:
        """The same, with an error handed back instead of raised, and what is best done about it."""
        try:
            return Fetched(Reaction.OK, self.send(method, url, **options))
        except FetchError as error:
            return Fetched(error.reaction, error=error)

    async def aget(self, url: str, **options: Any) -> httpx.Response:
        """Fetch `url`, in an event loop."""
        return await self.asend("GET", url, **options)

    async def apost(self, url: str, **options: Any) -> httpx.Response:
        """Send to `url`, in an event loop; see `post`."""
        return await self.asend("POST", url, **options)

    async def asend(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Any other method, in an event loop."""
        return await self._adrive(self._flow(method, url, options))

    async def aattempt(self, method: str, url: str, **options: Any) -> Fetched:
        """See `attempt`."""
        try:
            return Fetched(Reaction.OK, await self.asend(method, url, **options))
        except FetchError as error:
            return Fetched(error.reaction, error=error)

    def close(self) -> None:
        """Let go of the connections of the plain methods, and of leased proxies."""
        self._wires.close()
        if self._ways is not None:
            self._ways.close()

    async def aclose(self) -> None:
        """Let go of the connections of the async methods; call it in the loop that used them."""
        await self._wires.aclose()

    def _flow(self, method: str, url: str, options: dict[str, Any]) -> Flow:
        return flow_of(as_call(method, url, options), self.session, self._proxy, is_leasing=self._ways is not None)

    # -- The two drivers --------------------------------------------------------------------------------------------

    def _leased(self) -> Ways:
        if self._ways is None:
            # Somebody set another proxy while the request was under way.
            raise ProxyFailed("The proxies of this client were taken away during a request.", url="")
        return self._ways

    def _drive(self, flow: Flow) -> Page:
        wire = self._wires.plain(self.profile)
        step = hurried(next(flow))
        while True:
            came: Any
            if isinstance(step, Exchange):
                try:
                    came = wire.send(step)
                except WireFault as fault:
                    came = fault
            elif isinstance(step, Wait):
                came = waited(self.session, step)
            elif isinstance(step, Ask):
                came = step.work()
            else:
                came = self._leased().to(step.url)
            try:
                step = hurried(flow.send(came))
            except StopIteration as end:
                page: Page = end.value
                return page

    async def _adrive(self, flow: Flow) -> Page:
        wire = self._wires.looped(self.profile)
        step = next(flow)
        while True:
            came: Any
            if isinstance(step, Exchange):
                try:
                    came = await wire.send(step)
                except WireFault as fault:
                    came = fault
            elif isinstance(step, Wait):
                came = await paused(self.session, step)
            elif isinstance(step, Ask):
                came = await asyncio.to_thread(step.work)
            else:
                came = await self._leased().ato(step.url)
            try:
                step = flow.send(came)
            except StopIteration as end:
                page: Page = end.value
                return page


class ClientPool:
    """One `Request` for each thread that asks, all of one session."""

    def __init__(self, make: Callable[[], Request]) -> None:
        self._make = make
        self._local = threading.local()
        self._all: list[Request] = []
        self._lock = threading.Lock()

    def current(self) -> Request:
        """The client of the calling thread."""
        client: Request | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._make()
            with self._lock:
                self._all.append(client)
        return client

    def close(self) -> None:
        """Close every client that was handed out."""
        with self._lock:
            while self._all:
                self._all.pop().close()
