"""What goes wrong on the wire, told alike by every transport."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from enum import Enum, auto

from collectors.toolkit.http.guard import Refused


class Fault(Enum):
    """The kinds of what can happen before there is an answer."""

    CONNECTION = auto()
    HOST = auto()
    TLS = auto()
    PROXY = auto()
    PROXY_AUTH = auto()
    TIMEOUT = auto()
    DEADLINE = auto()
    ANSWER = auto()
    TOO_LARGE = auto()
    REDIRECTS = auto()
    URL = auto()
    REFUSED = auto()
    ROBOTS = auto()
    CIRCUIT = auto()
    RESTING = auto()


class WireFault(Exception):
    """There is no answer; `reason` says why, as the end of a sentence."""

    def __init__(self, fault: Fault, reason: str = "") -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason


def proxy_fault(reason: str) -> WireFault:
    """What a proxy answers instead of carrying us on: it does not know us, or something else."""
    words = reason.strip().rstrip(".").lower()
    is_stranger = words.startswith("407") or "username" in words or "authentication" in words
    return WireFault(Fault.PROXY_AUTH if is_stranger else Fault.PROXY, f"the proxy answers {words}")


def connection_fault(error: BaseException, *, default: Fault = Fault.CONNECTION) -> WireFault:
    """The fault behind a failed connection; the operating system's words where it is the one that knows."""
    for cause in causes(error):
        if isinstance(cause, WireFault):
            return cause
        if isinstance(cause, Refused):
            return WireFault(Fault.REFUSED, str(cause))
        if type(cause).__module__.startswith("aiohttp"):
            continue  # some say that they are errors of ssl, and lack what those know; the real one comes next
        if isinstance(cause, ssl.SSLCertVerificationError):
            return WireFault(Fault.TLS, f"its certificate is not accepted ({cause.verify_message.rstrip('.')})")
        if isinstance(cause, ssl.SSLError):
            words = (cause.reason or str(cause)).replace("_", " ").lower()
            return WireFault(Fault.TLS, f"it does not speak TLS as it should ({words})")
        if isinstance(cause, socket.gaierror):
            # A name that does not exist stays so; a name server that does not answer may do so later.
            fault = default if cause.errno == socket.EAI_AGAIN else Fault.HOST
            return WireFault(fault, (cause.strerror or str(cause)).lower())
        if isinstance(cause, OSError) and cause.errno in errno.errorcode and cause.strerror:
            return WireFault(default, cause.strerror.lower())
    text = str(error).strip().rstrip(".")
    return WireFault(default, text.lower() or type(error).__name__)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, nearest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
