"""Which hosts are one site: those of one registrable domain, by the public suffix list that tldextract brings along."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

import httpx


@lru_cache(maxsize=1)
def _extract() -> Any:
    # Imported here: it reads the whole list, some forty milliseconds. Nothing is fetched.
    from tldextract import TLDExtract

    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=4096)
def site_of(host: str) -> str:
    """The registrable domain of `host`: `www.example.co.uk` -> `example.co.uk`; an address is itself."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return str(_extract()(name).top_domain_under_public_suffix or name)


def site_of_url(url: str | httpx.URL) -> str:
    """The same of a URL. Raises `httpx.InvalidURL`, and `ValueError` when it names no host."""
    host = httpx.URL(url).host
    if not host:
        raise ValueError(f"{url!s} names no host.")
    return site_of(host)
