"""How the requests of one app look, and what they may cost. Nothing here changes; a changed copy takes its place."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import httpx

from collectors import __version__
from collectors.contract import ProxyLease
from collectors.toolkit.http.guard import Network

USER_AGENT = f"DataCollector/{__version__}"
#: What `decoding` can unpack without being blown up.
ENCODINGS = "gzip, deflate, br, zstd"

MEBIBYTE = 1024 * 1024
#: How proxies are spoken to, and where they usually listen.
PROXY_SCHEMES = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may cost. Whatever is more is `TooLarge`, `FetchTimeout` or `TooManyRedirects`."""

    bytes: int = 64 * MEBIBYTE
    """The page, unpacked."""
    seconds: float = 120.0
    """From the first byte sent to the last one received, redirects included: no drip is slow enough to get round it."""
    redirects: int = 10


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon a request is tried again."""

    count: int = 3
    """After the first attempt; 0 switches it off."""
    base_s: float = 0.5
    """Attempt n waits for a random time of at most base * 2^(n-1) seconds ("full jitter")."""
    longest_s: float = 60.0
    longest_asked_s: float = 120.0
    """A site that asks (Retry-After) for more than this is not tried again by this request."""


@dataclass(frozen=True, slots=True)
class TLS:
    """How certificates are checked, and the one to show."""

    verify: bool = True
    """False takes any certificate: whoever stands in between reads and writes along."""
    ca_file: Path | None = None
    """Trust these authorities instead of the usual ones."""
    certificate: Path | None = None
    """Ours, for sites that ask for one (PEM), and its key if that is in another file."""
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """Answers are kept in a file (SQLite), which clients and processes may share."""

    file: Path
    asks: bool = True
    """As browsers do: the site says how long an answer holds (RFC 9111), and is asked whether it has changed (ETag,
    Last-Modified). False, for development: whatever was fetched once is not fetched again."""
    keep_s: float | None = None
    """Throw away what is older."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The way out. `name` is what figures call it: sessions of one gateway share a host and a port."""

    url: str = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        parsed = httpx.URL(self.url)
        if parsed.scheme not in PROXY_SCHEMES or not parsed.host:
            raise ValueError(
                "A proxy is written http://host:port, https://user:password@host:port or socks5://host:port."
            )

    @property
    def label(self) -> str:
        """`name`, or host and port; never a user or a password."""
        parsed = httpx.URL(self.url)
        return self.name or f"{parsed.host}:{parsed.port or PROXY_SCHEMES[parsed.scheme]}"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5. It is the proxy that looks names up, as with the others."""
        return self.url.startswith("socks5")


@dataclass(frozen=True, slots=True)
class LeasedProxy(Proxy):
    """A proxy that one has for a while, and for one site."""

    lease: ProxyLease | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """All that makes an app's requests what they are, except for their cookies."""

    timeout_s: float = 30.0
    """The longest silence: until there is a connection, and between two pieces of an answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: httpx.Auth | None = None
    auth_host: str = ""
    """The only host that `auth` is shown to; empty shows it to every host that is asked."""
    proxy: Proxy | None = None
    cache: Cache | None = None
    tls: TLS = field(default_factory=TLS)
    http2: bool = False
    limits: Limits = field(default_factory=Limits)
    retries: Retries = field(default_factory=Retries)
    allowed: tuple[Network, ...] = ()
    """Networks that are not public and may be visited all the same."""
    blocked_marks: tuple[str, ...] = ()
    """Texts that only a page that keeps us out has, beside those that are known (`pages.py`)."""
    captcha_marks: tuple[str, ...] = ()
    """Texts that only a page with a captcha has instead of what was asked for."""

    @property
    def base_headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Accept": "*/*", "Accept-Encoding": ENCODINGS, "Connection": "keep-alive", **self._own_headers()}

    def _own_headers(self) -> dict[str, str]:
        own = dict(self.headers)
        named = {name.lower() for name in own}
        return own if "user-agent" in named else {"User-Agent": USER_AGENT, **own}


@lru_cache(maxsize=32)
def ssl_context(tls: TLS, *, http2: bool = False) -> ssl.SSLContext:
    """One for all clients that check alike: reading the authorities takes milliseconds."""
    context = httpx.create_ssl_context(verify=tls.verify)
    if tls.verify and tls.ca_file is not None:
        context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    return context
