"""Our own webhook: JSON, signed, over verified TLS, to an address that was looked at before it is connected to."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

import httpx

from apps.notifications.models import Delivery

TIMESTAMP, SIGNATURE, DELIVERY = "X-DC-Timestamp", "X-DC-Signature", "X-DC-Delivery"


class CannotSend(Exception):
    """A message was not sent; the sentence says why. Not worth another attempt unless `can_retry`."""

    def __init__(self, reason: str, *, can_retry: bool = True) -> None:
        super().__init__(reason)
        self.can_retry = can_retry


def post(delivery: Delivery, *, timeout_s: float) -> None:
    """Post one message to the address of its channel. Raises `CannotSend`."""
    channel = delivery.channel
    body = json.dumps(
        {
            "id": delivery.pk,
            "kind": delivery.kind,
            "subject": delivery.subject,
            "body": delivery.body,
            "link": delivery.link,
            "app": delivery.app_code,
            "created_at": delivery.created_at.isoformat(),
        },
        ensure_ascii=False,
    ).encode("utf-8", "replace")
    timestamp = str(int(time.time()))
    parts = urlsplit(channel.url)
    host = parts.hostname or ""
    headers = {
        "Host": parts.netloc.rpartition("@")[2],
        "Content-Type": "application/json",
        "User-Agent": "DataCollector",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(channel.secret, timestamp, body),
        DELIVERY: str(delivery.pk),
    }
    address = _resolved(
        host, parts.port or (443 if parts.scheme == "https" else 80), allow_private=channel.is_private_allowed
    )
    url = httpx.URL(channel.url).copy_with(host=address)
    try:
        # Straight to the address that was looked at: a second look-up could have another answer. No proxy of the
        # environment, no redirect: whoever answers with one must not get the message.
        with httpx.Client(verify=tls(), timeout=timeout_s, follow_redirects=False, trust_env=False) as client:
            request = client.build_request(
                "POST", url, content=body, headers=headers, extensions={"sni_hostname": host}
            )
            response = client.send(request, stream=True)  # what it answers is not read
            response.close()
    except httpx.TimeoutException:
        raise CannotSend(f"{host} did not answer within {timeout_s:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CannotSend(_reason(host, error)) from None
    if not response.is_success:
        raise CannotSend(f"{host} answered {response.status_code}.")


def tls() -> ssl.SSLContext:
    """What the machine trusts; `SSL_CERT_FILE` adds an authority of one's own."""
    return ssl.create_default_context()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header says: `v1=` and the HMAC-SHA256, in hex, of the timestamp, a full stop and the body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def _resolved(host: str, port: int, *, allow_private: bool) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise CannotSend(f"The name {host} cannot be resolved.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise CannotSend(
            f"{host} is in a private network or on this machine; allow it on the page of the channel.", can_retry=False
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, whatever notation hides it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if hidden is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast


def _reason(host: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return f"The certificate of {host} is not accepted: {cause.verify_message}."
    return f"{host} cannot be reached: {str(error) or type(error).__name__}."
