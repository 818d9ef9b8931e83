"""Channels and messages for programs."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery, Kind
from tests.integration.people import signed_in
from tests.servers.hook import Hook, hook

pytestmark = pytest.mark.django_db

SECRET = "a-key-that-nobody-reads-again"


def webhook(server: Hook) -> Channel:
    return Channel.objects.create(
        name="hook", service=Channel.Service.WEBHOOK, url=server.url, secret=SECRET, is_private_allowed=True
    )


def send(path: str) -> Any:
    return signed_in("admin").post(path, content_type="application/json")


def test_a_channel_is_shown_without_its_secret_and_its_address() -> None:
    with hook() as server:
        webhook(server)

        response = signed_in("operator").get("/api/v1/channels")

        assert [channel["name"] for channel in response.json()["items"]] == ["hook"]
        assert SECRET not in response.content.decode()
        assert server.url not in response.content.decode()


def test_a_test_is_sent_and_says_how_it_went() -> None:
    with hook() as server:
        channel = webhook(server)

        sent = send(f"/api/v1/channels/{channel.pk}/test")

        assert (sent.status_code, sent.json()["state"]) == (200, "SENT")
        assert len(server.posts) == 1
        server.status = 500
        failed = send(f"/api/v1/channels/{channel.pk}/test").json()
        assert failed["state"] == "FAILED"
        assert "500" in failed["error"]
    history = signed_in("admin").get("/api/v1/deliveries", {"channel": channel.pk}).json()["items"]
    assert [message["state"] for message in history] == ["FAILED", "SENT"]
    assert AuditEntry.objects.filter(action="channel.tested").count() == 2


def test_a_message_that_failed_is_sent_again() -> None:
    with hook() as server:
        channel = webhook(server)
    message = Delivery.objects.create(
        channel=channel, kind=Kind.FAILED, subject="books failed", state=Delivery.State.FAILED, created_at=utc_now()
    )

    assert send(f"/api/v1/deliveries/{message.pk}/retry").json()["state"] == "PENDING"
    assert send(f"/api/v1/deliveries/{message.pk}/retry").status_code == 409
    assert send("/api/v1/deliveries/999999/retry").status_code == 404
    assert send("/api/v1/channels/999999/test").status_code == 404
