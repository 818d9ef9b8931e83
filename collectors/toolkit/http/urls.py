"""Reading URLs: nearly all of them are plain, and need none of the repairs that take httpx most of its time."""

from __future__ import annotations

import re

import httpx
from httpx._urlparse import ParseResult

#: Those that are tried on this machine have five digits as a rule.
_PORT = r"6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
#: Lower case, no user, no dots in the path that would have to be resolved, nothing that would have to be quoted.
_PLAIN = re.compile(
    rf"(https?)://({_OCTET}(?:\.{_OCTET}){{3}}|[a-z0-9.-]*[a-z-]\.?)(?::({_PORT}))?"
    r"(/(?:[A-Za-z0-9_~!$&()*+,;=:@-]|(?<!/)\.|(?<!\.)/|%[0-9A-F]{2})*)?"
    r"(?:\?((?:[A-Za-z0-9_.~!$&()*+,;=:@/-]|%[0-9A-F]{2})+))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_url(text: str) -> httpx.URL:
    """`httpx.URL(text)`, in a third of the time where it is a plain one. Raises `httpx.InvalidURL`."""
    plain = _PLAIN.fullmatch(text)
    if plain is None or plain[2].startswith((".", "-", "xn--")) or ".xn--" in plain[2]:
        return httpx.URL(text)
    scheme, host, port_text, path, query = plain.groups()
    port = int(port_text) if port_text else None
    url = httpx.URL.__new__(httpx.URL)
    url._uri_reference = ParseResult(
        scheme, "", host, None if port == _DEFAULT_PORTS[scheme] else port, path or "", query, None
    )
    return url
