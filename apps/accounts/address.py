"""Where a request came from, as far as that can be believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings


def client_address(meta: Mapping[str, Any]) -> str | None:
    """The address of the client in the META of a request; None when there is none.

    Each proxy in front adds the address it was called from at the end of X-Forwarded-For. Of these entries as many are
    believed as there are proxies of ours (`DC_WEB_PROXY_COUNT`); what stands before them, anybody may have written.
    """
    count: int = settings.DC_PROXY_COUNT
    hops = [hop.strip() for hop in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if hop.strip()]
    told = hops[-count] if 0 < count <= len(hops) else str(meta.get("REMOTE_ADDR", ""))
    try:
        return str(ipaddress.ip_address(told.strip("[]")))
    except ValueError:
        return None


def neighbourhood(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or the network of an IPv6 one, of which a guest has billions."""
    if address is None:
        return ""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
