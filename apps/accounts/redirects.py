"""Where an OAuth2 client may have people sent back to."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def redirect_fault(uri: str) -> str:
    """Why an address must not be registered; empty when it may. Plain http is for a machine that talks to itself."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return _('"%(address)s" is not an address.') % {"address": uri}
    if not parts.hostname or port == 0 or "\\" in uri:
        return _('"%(address)s" is not an address such as https://app.example.com/callback.') % {"address": uri}
    if "#" in uri or "@" in parts.netloc or "*" in uri:
        return _('"%(address)s" holds #, @ or *: write the whole address, exactly as the client sends it.') % {
            "address": uri
        }
    if parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in LOOPBACK and settings.DC_HTTP_REDIRECTS
    ):
        return ""
    return _('"%(address)s" must begin with https://.') % {"address": uri}
