"""Until when a server's certificate is good: for the message that says it is not."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

_TIMEOUT_S = 3.0
#: Two times in a row, from and until, each in one of the two forms that X.509 has for them (RFC 5280, 4.1.2.5).
_MOMENT = rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)"
_VALIDITY = re.compile(_MOMENT + _MOMENT)
#: OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
NOT_YET, EXPIRED = 9, 10


def age_of_certificate(url: str, error: ssl.SSLCertVerificationError, *, now: datetime) -> str:
    """`, 12 days ago (2026-03-01)` for a certificate whose time is over or has not come; nothing for other errors.

    Asks the server for it once more, and sends it nothing.
    """
    if error.verify_code not in (NOT_YET, EXPIRED):
        return ""
    parts = urlsplit(url)
    try:
        text = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=_TIMEOUT_S)
        begins, ends = validity(ssl.PEM_cert_to_DER_cert(text))
    except (OSError, ValueError):
        return ""
    if error.verify_code == EXPIRED:
        return f", {(now - ends).days} days ago ({ends:%Y-%m-%d})"
    return f", its time begins in {(begins - now).days + 1} days ({begins:%Y-%m-%d})"


def validity(certificate: bytes) -> tuple[datetime, datetime]:
    """From when until when a certificate in DER is good. Raises `ValueError`."""
    found = _VALIDITY.search(certificate)
    if found is None:
        raise ValueError("There is no validity in this certificate.")
    short_begin, long_begin, short_end, long_end = found.groups()
    return _moment(short_begin, long_begin), _moment(short_end, long_end)


def _moment(short: bytes | None, long: bytes | None) -> datetime:
    if short is not None:
        # The two digits of the year stand for 1950 to 2049.
        long = (b"19" if short >= b"5" else b"20") + short
    return datetime.strptime((long or b"").decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
