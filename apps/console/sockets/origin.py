"""Whether a page of this very site opens a socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

PORTS = {"http": 80, "https": 443}


def is_own_origin(scope: Mapping[str, Any]) -> bool:
    """Whether a page of this very site opens the socket: scheme, host and port, none of them guessed.

    Browsers send cookies along whoever asks, so the origin is what keeps other sites out. A client that names none is
    no browser of ours.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin = _origin(headers.get(b"origin", ""))
    if origin is None:
        return False
    if origin == _origin(settings.DC_PUBLIC_URL):
        return True
    host = headers.get(b"host", "")
    is_known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return is_known and origin == _origin(f"{_scheme(scope, headers)}://{host}")


def _scheme(scope: Mapping[str, Any], headers: Mapping[bytes, str]) -> str:
    if settings.DC_BEHIND_PROXY and b"x-forwarded-proto" in headers:
        return headers[b"x-forwarded-proto"]
    return {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), "")


def _origin(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.username:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]
