"""What can be asked of a solver. A task that could never be solved is refused when it is made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote, urlsplit

from collectors.toolkit.captcha.errors import Problem, TaskRefused

#: What Google takes for a least score; others mean nothing to it.
SCORES = (0.3, 0.7, 0.9)
#: Smaller is no picture, and larger is not taken.
SMALLEST_IMAGE, LARGEST_IMAGE = 100, 500_000
#: For so long a site takes a token, counted from when it was solved.
_RECAPTCHA_LIFE, _TURNSTILE_LIFE = timedelta(seconds=120), timedelta(seconds=300)
_LONGEST_URL = 500


def _wrong(message: str) -> TaskRefused:
    return TaskRefused(message, problem=Problem.TASK)


def clean_url(url: str) -> str:
    """A page address as it may be kept: without user, query and fragment, which carry secrets and persons."""
    parts = _split(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"[:_LONGEST_URL]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _wrong(f"This is not the address of a page: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong("The address of the page has to begin with https:// or http://, and name a host.")
    return parts


@dataclass(frozen=True, slots=True)
class TaskProxy:
    """The proxy through which a captcha is to be solved.

    Its address, user and password go to the solver, and from there to a stranger's browser: give it one that is made
    for that, never the account of the whole company. A task carries a proxy only when a source hands one in.
    """

    url: str
    """`http://user:password@203.0.113.7:8080`; also https, socks4, socks5."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_whole = parts.scheme in ("http", "https", "socks4", "socks5") and parts.hostname and parts.port
        except ValueError:
            is_whole = False
        if not is_whole:
            raise _wrong("The proxy of a captcha is written scheme://user:password@host:port.")

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def user(self) -> str:
        return unquote(urlsplit(self.url).username or "")

    @property
    def password(self) -> str:
        return unquote(urlsplit(self.url).password or "")

    def __repr__(self) -> str:
        return f"<proxy {self.scheme}://{self.host}:{self.port}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptchaTask:
    """What every task has."""

    kind: ClassVar[str] = ""
    #: For so long its solution is good; None: for ever.
    life: ClassVar[timedelta | None] = None

    url: str = ""
    """The page on which the captcha is. Of it scheme, host and path are kept."""

    def __post_init__(self) -> None:
        if self.url:
            _split(self.url)

    @property
    def page(self) -> str:
        """The address of the page, without user, query and fragment."""
        return clean_url(self.url) if self.url else ""

    @property
    def site(self) -> str:
        """The host of the page."""
        return urlsplit(self.url).hostname or ""

    @property
    def digest(self) -> str:
        """What makes two tasks the same one: a solution of either is good for both. SHA-256, in hex digits."""
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return hashlib.sha256(json.dumps([self.kind, values], sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    # The way out matters, not who pays for it.
    return repr(value) if isinstance(value, TaskProxy) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask(CaptchaTask):
    """A picture of some text."""

    kind: ClassVar[str] = "image"

    image: bytes
    """JPEG, PNG or GIF, 100 to 500,000 bytes."""
    phrase: bool = False
    """There are several words."""
    case: bool = False
    """Large and small letters differ."""
    numeric: int = 0
    """1: digits only; 2: no digits."""
    math: bool = False
    """What is asked for is the result."""
    min_length: int = 0
    max_length: int = 0
    comment: str = ""
    """What to type, for people."""

    def __post_init__(self) -> None:
        CaptchaTask.__post_init__(self)
        if not SMALLEST_IMAGE <= len(self.image) <= LARGEST_IMAGE:
            raise _wrong(
                f"The picture has {len(self.image):,} bytes; solvers take {SMALLEST_IMAGE} to {LARGEST_IMAGE:,}."
            )
        if self.numeric not in (0, 1, 2):
            raise _wrong("numeric is 0 (anything), 1 (digits only) or 2 (no digits).")


@dataclass(frozen=True, slots=True, kw_only=True)
class _SiteKeyTask(CaptchaTask):
    site_key: str

    def __post_init__(self) -> None:
        CaptchaTask.__post_init__(self)
        if not self.url or not self.site_key.strip():
            raise _wrong(f"A task of the kind {self.kind} needs the address of its page and its site key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecaptchaV2(_SiteKeyTask):
    """Google's "I am not a robot", or the invisible one; with `proxy`, solved from that address."""

    kind: ClassVar[str] = "recaptcha_v2"
    life: ClassVar[timedelta | None] = _RECAPTCHA_LIFE

    invisible: bool = False
    data_s: str = ""
    """The value of `data-s`, on pages of Google."""
    proxy: TaskProxy | None = None
    user_agent: str = ""
    """With a proxy: the browser to solve it in."""
    cookies: str = ""
    """With a proxy: `name=value; name=value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecaptchaV3(_SiteKeyTask):
    """Google's reCAPTCHA that shows nothing and gives a score."""

    kind: ClassVar[str] = "recaptcha_v3"
    life: ClassVar[timedelta | None] = _RECAPTCHA_LIFE

    min_score: float = 0.3
    """0.3, 0.7 or 0.9: what the site asks for at least."""
    action: str = ""
    enterprise: bool = False

    def __post_init__(self) -> None:
        _SiteKeyTask.__post_init__(self)
        if self.min_score not in SCORES:
            raise _wrong(f"min_score is one of {', '.join(map(str, SCORES))}, not {self.min_score}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnstile(_SiteKeyTask):
    """Cloudflare's Turnstile; with `proxy`, solved from that address."""

    kind: ClassVar[str] = "turnstile"
    life: ClassVar[timedelta | None] = _TURNSTILE_LIFE

    action: str = ""
    cdata: str = ""
    proxy: TaskProxy | None = None


KINDS = tuple(task.kind for task in (ImageTask, RecaptchaV2, RecaptchaV3, Turnstile))
