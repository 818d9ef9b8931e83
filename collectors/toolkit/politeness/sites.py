"""What counts as one site."""

from __future__ import annotations

import ipaddress
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import httpx

from collectors.toolkit.politeness.pauses import LONGEST_NAME

if TYPE_CHECKING:
    from tldextract import TLDExtract


def site_of(url: httpx.URL) -> str:
    """The registrable domain of a URL: "shop.co.uk" for https://www.shop.co.uk/.

    The host where there is none (addresses, names of an intranet), with the port if it is not the usual one.
    """
    return _registrable(url.host) or _with_port(url)


def is_this_machine(host: str) -> bool:
    """Whether it is the loopback address, by number or by its usual name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if not (host[:1].isdigit() or ":" in host):
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin_of(url: httpx.URL) -> str:
    """What has a robots.txt of its own: scheme, host and port."""
    return f"{url.scheme}://{_with_port(url)}"


def _with_port(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return (host if url.port is None else f"{host}:{url.port}")[:LONGEST_NAME]


@lru_cache(maxsize=4_096)
def _registrable(host: str) -> str:
    found = _suffixes().extract_str(host)
    return found.top_domain_under_public_suffix.lower()


@cache
def _suffixes() -> TLDExtract:
    # Imported when the first site is fetched from: tens of milliseconds, which other runs do without.
    from tldextract import TLDExtract

    # The list that comes with the library: nothing is fetched, and nothing written to disk.
    return TLDExtract(suffix_list_urls=(), cache_dir=None)
