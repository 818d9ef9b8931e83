"""The addresses that the fields of a channel make, and what is a public address."""

from __future__ import annotations

import logging
from typing import Any

import apprise
import pytest

from apps.notifications.models import Channel
from apps.notifications.senders import BadAddress, address, check, without_secrets
from apps.notifications.webhook import is_public

TOKEN = "123456789:abcdefghijklmnopqrstuvwxyz123456789"
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS = (
    "https://prod-161.westeurope.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/"
    "invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
)


def made(channel: Channel) -> Any:
    """The channel as Apprise understands it."""
    check(channel)
    plugin = apprise.Apprise.instantiate(address(channel))
    assert isinstance(plugin, apprise.NotifyBase)
    return plugin


def test_telegram_is_made_of_a_token_and_chats() -> None:
    plugin = made(Channel(service="TELEGRAM", secret=TOKEN, recipients="-1001234567890, @people"))
    assert plugin.service_name == "Telegram"
    assert "/-1001234567890" in plugin.url()
    assert "people" in plugin.url()


@pytest.mark.parametrize(("service", "secret", "name"), [("SLACK", SLACK, "Slack"), ("TEAMS", TEAMS, "Power Automate")])
def test_webhook_addresses_are_taken_as_they_were_given(service: str, secret: str, name: str) -> None:
    assert name in str(made(Channel(service=service, secret=secret)).service_name)


@pytest.mark.parametrize(
    ("security", "port", "mode"), [("STARTTLS", 587, "starttls"), ("TLS", 465, "ssl"), ("NONE", 25, "insecure")]
)
def test_mail_goes_to_the_port_of_its_security(security: str, port: int, mode: str) -> None:
    plugin = made(
        Channel(
            service="EMAIL",
            smtp_host="mail.example.com",
            smtp_security=security,
            smtp_user="post@example.com",
            secret="a/b?c&d:e@f g",
            sender="dc@example.com",
            recipients="ann@example.com,bob@example.com",
        )
    )
    assert (plugin.port, plugin.secure_mode, plugin.smtp_host) == (port, mode, "mail.example.com")
    assert (plugin.user, plugin.password) == ("post@example.com", "a/b?c&d:e@f g")
    assert len(plugin.targets) == 2
    assert plugin.verify_certificate


@pytest.mark.parametrize("secret", ["", "nothing", "two words://x", "unknown://x"])
def test_what_is_no_address_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(BadAddress) as refusal:
        check(Channel(service="APPRISE", secret=secret))
    assert not secret or secret not in str(refusal.value)


def test_no_part_of_an_address_is_repeated() -> None:
    channel = Channel(service="SLACK", secret=SLACK)
    said = without_secrets(channel, f"POST {SLACK} failed; token TIiajkdnlazkcOXrIdevi7FQ is unknown\n")
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in said
    assert said.endswith("is unknown")


def test_lines_of_the_libraries_with_addresses_go_nowhere() -> None:
    assert not logging.getLogger("apprise").propagate
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


@pytest.mark.parametrize(
    "address_of",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104 - compared, not bound
            "224.0.0.1",
        ),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    ],
)
def test_private_addresses_are_known_in_every_notation(address_of: str) -> None:
    assert not is_public(address_of)


@pytest.mark.parametrize("address_of", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_public_addresses_are_public(address_of: str) -> None:
    assert is_public(address_of)
