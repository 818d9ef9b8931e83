"""The one module that knows Apprise, and our own signed webhook. Heavy: imported where something is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import apprise

from apps.core.encryption.keys import EncryptionError
from apps.notifications.models import Channel, Delivery
from apps.notifications.webhook import CannotSend, post

__all__ = ["BadAddress", "CannotSend", "address", "check", "send"]

TIMEOUT_S = 10.0
PORTS = {Channel.Security.STARTTLS: 587, Channel.Security.TLS: 465, Channel.Security.NONE: 25}
MODES = {Channel.Security.STARTTLS: "starttls", Channel.Security.TLS: "ssl", Channel.Security.NONE: "insecure"}
#: Services of Apprise that talk to the machine they run on instead of to people.
LOCAL = frozenset({"dbus", "qt", "glib", "kde", "gnome", "macosx", "windows", "syslog", "blink1"})

# These write addresses into their lines, and tokens are parts of addresses.
logging.getLogger("apprise").propagate = False
for name, level in (("urllib3.connectionpool", logging.INFO), ("httpx", logging.WARNING)):
    logging.getLogger(name).setLevel(level)


class BadAddress(ValueError):
    """The fields of a channel make no address; the message says which and why."""


def send(delivery: Delivery) -> None:
    """Send one message. Raises `CannotSend` with a sentence that holds no secret."""
    channel = delivery.channel
    try:
        _ = channel.secret
    except EncryptionError as error:
        raise CannotSend(f"The secret of the channel cannot be used. {error}") from None
    if channel.service == Channel.Service.WEBHOOK:
        post(delivery, timeout_s=TIMEOUT_S)
        return
    try:
        plugin = _plugin(channel)
    except BadAddress as error:
        raise CannotSend(str(error), can_retry=False) from None
    # Apprise itself, not the plugin: it converts plain text to what the service takes.
    with _complaints() as complaints:
        apprise_object = apprise.Apprise(asset=plugin.asset)
        apprise_object.add(plugin)
        text = "\n\n".join(part for part in (delivery.body, delivery.link) if part)
        is_sent = bool(apprise_object.notify(body=text, title=delivery.subject, body_format=apprise.NotifyFormat.TEXT))
    if not is_sent:
        said = without_secrets(channel, " ".join(complaints)) or "No reason was given."
        raise CannotSend(f"{Channel.Service(channel.service).word} did not take it: {said}")


def check(channel: Channel) -> None:
    """Whether the fields of a channel make an address. Raises `BadAddress`. Nothing is sent."""
    if channel.service != Channel.Service.WEBHOOK:
        _plugin(channel)


def address(channel: Channel) -> str:
    """The address as Apprise writes it. Holds secrets."""
    return _ADDRESSES[Channel.Service(channel.service)](channel)


def without_secrets(channel: Channel, text: str) -> str:
    """A text of others without what only the channel knows."""
    for secret in {channel.secret, quote(channel.secret, safe=""), *_parts(channel.secret)}:
        if len(secret) >= 6:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:500]


def _plugin(channel: Channel) -> apprise.NotifyBase:
    asset = apprise.AppriseAsset(
        app_id="Data Collector",
        app_desc="Data Collector",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode="memory",
        service_timeout=0,
        allow_templates=False,
    )
    with _complaints() as complaints:
        plugin = apprise.Apprise.instantiate(address(channel), asset=asset)
    if not isinstance(plugin, apprise.NotifyBase):
        said = without_secrets(channel, " ".join(complaints)) or "the address has no service that is known."
        raise BadAddress(f"Apprise cannot use it: {said}")
    schemas = {str(name) for kind in (plugin.protocol, plugin.secure_protocol) for name in _names(kind)}
    if schemas & LOCAL:
        raise BadAddress("This service shows messages on the machine of the manager, where nobody looks.")
    if not plugin.verify_certificate:
        raise BadAddress("verify=no: certificates are verified always.")
    plugin.socket_connect_timeout = plugin.socket_read_timeout = TIMEOUT_S
    return plugin


def _names(kind: object) -> tuple[object, ...]:
    return tuple(kind) if isinstance(kind, tuple | list | set) else (kind,)


def _email(channel: Channel) -> str:
    security = Channel.Security(channel.smtp_security)
    sender, recipients = channel.sender, _listed(channel.recipients)
    for value, what in ((channel.smtp_host, "the mail server"), (sender, "the sender"), (recipients, "a recipient")):
        if not value:
            raise BadAddress(f"An email channel needs {what}.")
    login = ""
    if channel.smtp_user:
        login = f"{quote(channel.smtp_user, safe='')}:{quote(channel.secret, safe='')}@"
    scheme = "mailto" if security == Channel.Security.NONE else "mailtos"
    port = channel.smtp_port or PORTS[security]
    options = {"smtp": channel.smtp_host, "from": sender, "to": ",".join(recipients), "mode": MODES[security]}
    return f"{scheme}://{login}{channel.smtp_host}:{port}?{urlencode(options)}"


def _telegram(channel: Channel) -> str:
    chats = _listed(channel.recipients)
    if not channel.secret or not chats:
        raise BadAddress("A Telegram channel needs the token of a bot and a chat id.")
    return f"tgram://{channel.secret.strip()}/{'/'.join(quote(chat, safe='@:') for chat in chats)}"


def _slack(channel: Channel) -> str:
    return _webhook_of(channel, "https://hooks.slack.com/services/", "Slack")


def _teams(channel: Channel) -> str:
    return _webhook_of(channel, "https://", "Teams")


def _webhook_of(channel: Channel, beginning: str, service: str) -> str:
    url = channel.secret.strip()
    if not url.startswith(beginning):
        raise BadAddress(f"A {service} channel needs the webhook address that {service} gave; it begins {beginning}.")
    return url


def _any(channel: Channel) -> str:
    url = channel.secret.strip()
    if "://" not in url or any(character.isspace() for character in url):
        raise BadAddress("Write one Apprise address, such as ntfys://ntfy.example.com/topic.")
    return url


_ADDRESSES: dict[Channel.Service, Callable[[Channel], str]] = {
    Channel.Service.EMAIL: _email,
    Channel.Service.TELEGRAM: _telegram,
    Channel.Service.SLACK: _slack,
    Channel.Service.TEAMS: _teams,
    Channel.Service.APPRISE: _any,
}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _parts(secret: str) -> Iterator[str]:
    """The pieces of an address of which any may be a token."""
    for separator in "/?&=:@":
        secret = secret.replace(separator, " ")
    return (part for part in secret.split() if len(part) >= 12)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What Apprise says went wrong: it returns no more than whether it worked."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
